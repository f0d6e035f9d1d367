//! Reads the history of a git repository through the `git` program.
//!
//! Commits are those reachable from `HEAD`, parents first, each with the changes that it *itself decided*: a commit with
//! one parent lists the paths that differ from that parent, a root lists all its paths, and a merge lists only the paths
//! that differ from *every* parent (git's combined diff). What a merge merely takes over from one side was decided by that
//! side's commits, which come earlier, and is not written again.
//!
//! So applying all changes in order is well defined and every change has the author who made it; it is a workload, not a
//! checkout: where a merge settled a conflict by keeping one side unchanged, the last writer in this order stands instead.
//! A changed file mode is a write with the same id; a submodule's id is its commit.

mod record;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};

use crate::history::Commit;
use record::Parser;

/// Variables that would point git at another repository than the one asked for, as inside a hook.
const REPOSITORY_VARIABLES: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_COMMON_DIR",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_NAMESPACE",
    "GIT_PREFIX",
];

/// Plumbing whose output no user configuration changes. Paths come quoted by git itself, so every line is one record.
const DIFF_TREE: &[&str] = &[
    "diff-tree",
    "--stdin",
    "--root",
    "--always",
    "-r",
    "-c",
    "--raw",
    "--no-abbrev",
    "--no-renames",
    "--ignore-submodules=none",
    "--encoding=UTF-8",
    record::FORMAT,
];

/// Why a repository could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    #[error("the program {program:?} was not found: install git, or give a history file")]
    Missing { program: OsString },
    #[error("{} is not inside a git repository: give the directory of one, or a history file", .dir.display())]
    NotARepository { dir: PathBuf },
    #[error("the git repository {} has no commits yet: commit something first, or give another path", .dir.display())]
    Empty { dir: PathBuf },
    #[error("the git repository {} is shallow, its early history is missing: run `git fetch --unshallow` in it first", .dir.display())]
    Shallow { dir: PathBuf },
    #[error("git {command} failed ({status}) in {}: {message}", .dir.display())]
    Failed { command: &'static str, dir: PathBuf, status: ExitStatus, message: String },
    #[error("git diff-tree printed in line {line} something other than {expected}: {found:?}")]
    Output { line: u64, expected: &'static str, found: String },
    #[error("cannot run git in {}", .dir.display())]
    Io { dir: PathBuf, source: io::Error },
}

/// A complete repository with at least one commit. Every pass reads the same commits, even if `HEAD` moves in the meantime.
#[derive(Debug)]
pub(crate) struct Repository {
    program: OsString,
    dir: PathBuf,
    head: String,
}

impl Repository {
    /// Finds the repository that `dir` is in (bare ones too) and checks that its history is there and complete.
    pub(crate) fn open(dir: &Path) -> Result<Self, GitError> {
        Self::open_with(OsStr::new("git"), dir)
    }

    fn open_with(program: &OsStr, dir: &Path) -> Result<Self, GitError> {
        let mut repository = Self { program: program.to_owned(), dir: dir.to_owned(), head: String::new() };
        let shallow = repository.ask(&["rev-parse", "--is-shallow-repository"])?;
        if !shallow.status.success() {
            return Err(repository.unusable(&shallow));
        }
        if shallow.stdout.starts_with(b"true") {
            return Err(GitError::Shallow { dir: repository.dir });
        }
        let head = repository.ask(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])?;
        if !head.status.success() {
            return Err(GitError::Empty { dir: repository.dir });
        }
        repository.head = text(&head.stdout);
        Ok(repository)
    }

    /// Where the repository was asked for.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Starts git and streams the commits; git is stopped when the stream is dropped.
    pub(crate) fn commits(&self) -> Result<GitCommits, GitError> {
        let io = |source| self.io(source);
        let messages = tempfile::tempfile().map_err(|source| GitError::Io { dir: self.dir.clone(), source })?;
        let list = self
            .git(&["rev-list", "--topo-order", "--reverse", &self.head])
            .stdout(Stdio::piped())
            .stderr(messages.try_clone().map_err(io)?)
            .spawn();
        let mut list = Git { command: "rev-list", child: list.map_err(io)? };
        let ids = list.child.stdout.take().expect("standard output was asked to be a pipe");
        let diff =
            self.git(DIFF_TREE).stdin(ids).stdout(Stdio::piped()).stderr(messages.try_clone().map_err(io)?).spawn();
        let mut diff = Git { command: "diff-tree", child: diff.map_err(io)? };
        let lines = BufReader::new(diff.child.stdout.take().expect("standard output was asked to be a pipe"));
        let (dir, parser) = (self.dir.clone(), Parser::default());
        Ok(GitCommits { dir, lines, line: 0, parser, messages, running: [diff, list], finished: false })
    }

    fn git(&self, arguments: &[&str]) -> Command {
        let mut git = Command::new(&self.program);
        git.arg("-C").arg(&self.dir).args(["-c", "core.quotePath=true", "-c", "diff.relative=false"]).args(arguments);
        git.env("LC_ALL", "C").stdin(Stdio::null());
        for variable in REPOSITORY_VARIABLES {
            git.env_remove(variable);
        }
        git
    }

    fn ask(&self, arguments: &[&str]) -> Result<Output, GitError> {
        self.git(arguments).output().map_err(|source| self.io(source))
    }

    /// Why git did not start.
    fn io(&self, source: io::Error) -> GitError {
        match source.kind() {
            io::ErrorKind::NotFound => GitError::Missing { program: self.program.clone() },
            _ => GitError::Io { dir: self.dir.clone(), source },
        }
    }

    fn unusable(&self, answer: &Output) -> GitError {
        let (dir, message) = (self.dir.clone(), text(&answer.stderr));
        match message.contains("not a git repository") {
            true => GitError::NotARepository { dir },
            false => GitError::Failed { command: "rev-parse", dir, status: answer.status, message },
        }
    }
}

/// The commits of a repository, as git prints them.
pub(crate) struct GitCommits {
    dir: PathBuf,
    lines: BufReader<ChildStdout>,
    line: u64,
    parser: Parser,
    /// What git wrote to standard error; a file, so that git never waits for a reader.
    messages: File,
    running: [Git; 2],
    finished: bool,
}

impl GitCommits {
    fn next_commit(&mut self) -> Result<Option<Commit>, GitError> {
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = self.lines.read_until(b'\n', &mut line);
            if read.map_err(|source| GitError::Io { dir: self.dir.clone(), source })? == 0 {
                break;
            }
            self.line += 1;
            let accepted = self.parser.accept(line.strip_suffix(b"\n").unwrap_or(&line));
            let commit =
                accepted.map_err(|expected| GitError::Output { line: self.line, expected, found: text(&line) })?;
            if commit.is_some() {
                return Ok(commit);
            }
        }
        // Git may have stopped in the middle: the last commit counts only when both programs say that all is well.
        self.check_ends()?;
        self.finished = true;
        Ok(self.parser.finish())
    }

    fn check_ends(&mut self) -> Result<(), GitError> {
        for git in &mut self.running {
            let status = git.child.wait().map_err(|source| GitError::Io { dir: self.dir.clone(), source })?;
            if !status.success() {
                let mut message = Vec::new();
                let read = self.messages.rewind().and_then(|()| self.messages.read_to_end(&mut message));
                read.map_err(|source| GitError::Io { dir: self.dir.clone(), source })?;
                let (command, dir, message) = (git.command, self.dir.clone(), text(&message));
                return Err(GitError::Failed { command, dir, status, message });
            }
        }
        Ok(())
    }
}

impl Iterator for GitCommits {
    type Item = Result<Commit, GitError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        let item = self.next_commit();
        self.finished |= item.is_err();
        item.transpose()
    }
}

/// A running git, stopped and reaped when dropped.
struct Git {
    command: &'static str,
    child: Child,
}

impl Drop for Git {
    fn drop(&mut self) {
        // Both fail only when it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}
