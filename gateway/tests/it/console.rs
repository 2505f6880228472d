//! The console from outside: its pages over a real server, read as a browser would get them.

mod actions;
mod browser;
mod html;
mod live;
mod pages;
mod sign_in;
