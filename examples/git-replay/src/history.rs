//! The model of a history, and the streaming reader of `#syncline-history 1` files.
//!
//! A path is text in the spelling that git prints with `core.quotePath=true`: as it is when every byte is printable
//! ASCII other than `"` and `\`, else quoted C-style with octal escapes (`"M\303\244rchen"`). That is lossless for any bytes,
//! never contains a tab or a line break, and is the same text whether a history comes from a file or from a repository.

mod line;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use line::Parser;
pub(crate) use line::Problem;

/// The longest line of a history file, line break included. Git's own limit for a path is 4,096 bytes, four times that when quoted.
const LINE_BYTES_MAX: u64 = 64 * 1024;

const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

/// An author, numbered from 0 in order of first appearance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct AuthorId(pub(crate) u32);

/// One commit. Commits come parents first, numbered from 0 without holes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) index: u32,
    pub(crate) author: AuthorId,
    /// When the author says it was written, seconds since 1970. As recorded: it may be years off in both directions.
    pub(crate) author_time_s: i64,
    /// When the committer says it was committed, seconds since 1970. As recorded, too.
    pub(crate) commit_time_s: i64,
    /// Indices of earlier commits; none for a root, several for a merge.
    pub(crate) parents: Vec<u32>,
    /// What this commit itself decided, see [`crate::git`] for the rule at merges.
    pub(crate) changes: Vec<Change>,
}

/// What a commit did to one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The path now has the content that `id` names.
    Write { path: String, id: String },
    /// The path is gone. It may not have existed in the order of application.
    Delete { path: String },
}

/// Why a history file could not be read. Nothing after the first error is delivered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HistoryError {
    #[error("cannot open the history file {file}")]
    Open { file: String, source: io::Error },
    #[error("{file} ends or breaks after line {line}: it is cut off or damaged, fetch it again")]
    Damaged { file: String, line: u64, source: io::Error },
    #[error("{file}, line {line}: {problem}")]
    Line { file: String, line: u64, problem: Problem },
}

/// Reads a history file commit by commit; holds one commit and one line at a time.
pub(crate) struct HistoryReader {
    lines: Lines,
    parser: Parser,
    finished: bool,
}

impl HistoryReader {
    /// Opens a plain or gzip file (told apart by content, not by name) and checks its first line.
    pub(crate) fn open(path: &Path) -> Result<Self, HistoryError> {
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Self::new(name, file),
            Err(source) => Err(HistoryError::Open { file: name, source }),
        }
    }

    /// The same for any bytes; `name` stands for the file in messages.
    pub(crate) fn new(name: impl Into<String>, input: impl Read + Send + 'static) -> Result<Self, HistoryError> {
        let name = name.into();
        let input = unpacked(input).map_err(|source| HistoryError::Open { file: name.clone(), source })?;
        let mut lines = Lines { name, input, buffer: Vec::new(), number: 0 };
        let first = lines.advance()?.unwrap_or_default();
        line::check_header(first).map_err(|problem| lines.error(problem))?;
        Ok(Self { lines, parser: Parser::default(), finished: false })
    }

    fn next_commit(&mut self) -> Result<Option<Commit>, HistoryError> {
        while let Some(line) = self.lines.advance()? {
            match self.parser.accept(line) {
                Ok(None) => {}
                Ok(commit) => return Ok(commit),
                Err(problem) => return Err(self.lines.error(problem)),
            }
        }
        self.finished = true;
        Ok(self.parser.finish())
    }
}

impl Iterator for HistoryReader {
    type Item = Result<Commit, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        let item = self.next_commit();
        self.finished |= item.is_err();
        item.transpose()
    }
}

/// The text behind `input`, unpacked when it begins like gzip.
fn unpacked(input: impl Read + Send + 'static) -> io::Result<Box<dyn BufRead + Send>> {
    let mut input = BufReader::new(input);
    Ok(match input.fill_buf()?.starts_with(GZIP_MAGIC) {
        true => Box::new(BufReader::new(MultiGzDecoder::new(input))),
        false => Box::new(input),
    })
}

/// Numbered lines of bounded length, in one reused buffer.
struct Lines {
    name: String,
    input: Box<dyn BufRead + Send>,
    buffer: Vec<u8>,
    /// Number of the last complete line read, from 1.
    number: u64,
}

impl Lines {
    /// The next line without its line break, or `None` at the end.
    fn advance(&mut self) -> Result<Option<&str>, HistoryError> {
        self.buffer.clear();
        let read = self.input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut self.buffer);
        let read =
            read.map_err(|source| HistoryError::Damaged { file: self.name.clone(), line: self.number, source })?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        if self.buffer.pop_if(|last| *last == b'\n').is_none() {
            let problem = if read as u64 == LINE_BYTES_MAX { Problem::TooLong } else { Problem::CutOff };
            return Err(self.error(problem));
        }
        match str::from_utf8(&self.buffer) {
            Ok(line) => Ok(Some(line)),
            Err(_) => Err(self.error(Problem::NotUtf8)),
        }
    }

    fn error(&self, problem: Problem) -> HistoryError {
        HistoryError::Line { file: self.name.clone(), line: self.number.max(1), problem }
    }
}
