//! The console from outside: its pages over a real server, read as a browser would get them.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::string_slice,
    reason = "tests fail by panicking"
)]

mod actions;
mod bills;
mod browser;
mod html;
mod live;
mod load;
mod pages;
mod ready;
mod sign_in;
mod tariffs;
