//! Reading a file, or standard input.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;

use crate::failure::Failure;

/// Bytes that are read at once.
pub(super) const PIECE_BYTES: usize = 256 * 1024;

/// An open file.
pub(super) struct Input {
    name: String,
    /// `None` after a read that was given up.
    from: Option<Box<dyn Read + Send>>,
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Input {
    /// Opens a file, or standard input if it is `-`.
    ///
    /// # Errors
    /// [`Failure::Machine`].
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        if path.as_os_str() == "-" {
            return Ok(Self { name: "standard input".to_owned(), from: Some(Box::new(io::stdin())) });
        }
        let name = path.display().to_string();
        let file = File::open(path).map_err(|source| failed(&name, source))?;
        Ok(Self { name, from: Some(Box::new(file)) })
    }

    /// The file's name, for messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The next bytes, `None` behind the last.
    ///
    /// # Errors
    /// [`Failure::Machine`].
    ///
    /// # Cancel
    /// Bytes may be lost; the next call fails.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let from = self.from.take();
        // Anyone who writes to standard input may take its time.
        let read = tokio::task::spawn_blocking(move || {
            let mut from = from.ok_or(io::ErrorKind::Interrupted)?;
            let mut bytes = vec![0; PIECE_BYTES];
            let read = from.read(&mut bytes)?;
            bytes.truncate(read);
            Ok::<_, io::Error>((from, bytes))
        });
        let read = read.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        let (from, bytes) = read.map_err(|source| failed(&self.name, source))?;
        self.from = Some(from);
        Ok((!bytes.is_empty()).then(|| bytes.into()))
    }
}

fn failed(name: &str, source: io::Error) -> Failure {
    Failure::Machine { what: format!("{name} cannot be read"), source, next: "name a file that `export` wrote" }
}
