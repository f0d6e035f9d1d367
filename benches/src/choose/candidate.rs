//! Stores that can be chosen.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use syncline::store::{Durability, Storage};

use crate::Failure;
use crate::place::Backend;

/// How many processes may have one database open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Processes {
    /// One at a time.
    One,
    /// Any number.
    Many,
}

impl std::fmt::Display for Processes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::One => "one",
            Self::Many => "many",
        })
    }
}

pub(super) type Open = dyn Fn(&Path) -> Result<Arc<dyn Storage>, Failure> + Send + Sync;

/// How a candidate is opened.
#[derive(Clone)]
pub(super) enum Source {
    Shipped(Backend),
    Own(Arc<Open>),
}

/// A store with a durability.
#[derive(Clone)]
pub struct Candidate {
    pub(super) name: String,
    pub(super) durability: Durability,
    pub(super) processes: Processes,
    pub(super) source: Source,
}

impl Candidate {
    /// A store of your own: its name, what its commits survive, how many processes may open it, and how it is opened in a folder, which
    /// exists and is empty the first time. A name that a shipped store has is refused when it is measured.
    pub fn new(
        name: impl Into<String>,
        durability: Durability,
        processes: Processes,
        open: impl Fn(&Path) -> Result<Arc<dyn Storage>, Failure> + Send + Sync + 'static,
    ) -> Self {
        Self { name: name.into(), durability, processes, source: Source::Own(Arc::new(open)) }
    }

    /// Every shipped store with every durability that it has.
    pub fn shipped() -> impl Iterator<Item = Self> {
        let of = |backend: Backend| backend.durabilities().iter().map(move |durability| (backend, *durability));
        Backend::ALL.into_iter().flat_map(of).map(|(backend, durability)| {
            let processes = if backend == Backend::Postgres { Processes::Many } else { Processes::One };
            Self { name: backend.name().to_owned(), durability, processes, source: Source::Shipped(backend) }
        })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its commits survive.
    pub fn durability(&self) -> Durability {
        self.durability
    }
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Candidate({}, {})", self.name, self.durability)
    }
}
