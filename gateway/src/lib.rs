//! Code map: see the files.
