//! The code of the project's README, compiled with the tests.

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
