//! Starts a throw-away Postgres server, prints its URL, and stops it when its input ends.

#![allow(clippy::print_stdout, reason = "it is a program")]

use std::io::{Read, stdin};

use syncline_postgres_testing::Server;

fn main() {
    let server = Server::start();
    println!("{}", server.url());
    // Whatever is typed is of no interest; only the end is.
    drop(stdin().read_to_end(&mut Vec::new()));
}
