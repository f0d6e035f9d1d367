//! The way to the watching process.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

use crate::message::Message;

/// The standard output without a buffer. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Pipe(Arc<Mutex<File>>);

impl Pipe {
    pub(super) fn new() -> Self {
        let own = io::stdout().as_fd().try_clone_to_owned().expect("the output is open");
        Self(Arc::new(Mutex::new(File::from(own))))
    }

    /// Hands a message over in one piece. It is with the watching process when this returns, whatever then becomes of this one.
    pub(super) fn say(&self, message: &Message) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(format!("{message}\n").as_bytes())
    }
}
