//! The stores that are crashed, each with what it promises.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use syncline::store::Durability;
use thiserror::Error;

/// Which store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// `syncline-sqlite`
    Sqlite,
    /// `syncline-redb`
    Redb,
    /// `syncline-sled`
    Sled,
    /// `syncline-postgres`, over a server of the rig's own that is crashed together with its client.
    Postgres,
    /// A plain file of the rig's own: a control.
    File,
}

/// How a crash is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Crash {
    /// SIGKILL to the process that writes, and to the server behind it.
    Kill,
    /// The file system goes down without writing what it still holds in memory.
    Cut,
}

/// A store and how it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Setting {
    /// The store.
    pub backend: Backend,
    /// What it is asked to promise.
    pub mode: Mode,
}

/// What a store is asked to promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// [`Durability::Synced`], as by default.
    Synced,
    /// [`Durability::Synced`] by one wait for the disk in place of two; redb alone.
    OnePhase,
    /// [`Durability::Process`].
    Process,
    /// Less than the adapter offers; redb alone, and a control.
    Unsynced,
}

/// What must come of a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Promise {
    /// Nothing that was acknowledged may be lost.
    Keeps,
    /// A control: the last acknowledged bundles must be lost at times, or the rig shows nothing.
    Loses,
}

/// A text that names no setting.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{given}` names no setting; there are {}", Setting::ALL.map(|setting| setting.to_string()).join(", "))]
pub struct UnknownSetting {
    given: String,
}

impl Setting {
    /// All that are crashed.
    pub const ALL: [Self; 11] = [
        Self::new(Backend::Sqlite, Mode::Synced),
        Self::new(Backend::Redb, Mode::Synced),
        Self::new(Backend::Redb, Mode::OnePhase),
        Self::new(Backend::Sled, Mode::Synced),
        Self::new(Backend::Postgres, Mode::Synced),
        Self::new(Backend::File, Mode::Synced),
        Self::new(Backend::Sqlite, Mode::Process),
        Self::new(Backend::Redb, Mode::Unsynced),
        Self::new(Backend::Sled, Mode::Process),
        Self::new(Backend::Postgres, Mode::Process),
        Self::new(Backend::File, Mode::Process),
    ];

    const fn new(backend: Backend, mode: Mode) -> Self {
        Self { backend, mode }
    }

    /// What the store is opened with.
    pub fn durability(self) -> Durability {
        match self.mode {
            Mode::Synced | Mode::OnePhase => Durability::Synced,
            Mode::Process => Durability::Process,
            Mode::Unsynced => Durability::Volatile,
        }
    }

    /// What must come of such a crash.
    pub fn promise(self, crash: Crash) -> Promise {
        match (crash, self.durability(), self.backend) {
            (_, Durability::Synced, _) => Promise::Keeps,
            // The server is killed too, and it is the server that has not written yet.
            (Crash::Kill, Durability::Process, Backend::Postgres) => Promise::Loses,
            (Crash::Kill, Durability::Process, _) => Promise::Keeps,
            _ => Promise::Loses,
        }
    }

    /// Whether it is one of Syncline's own stores at its safest: what the figures are for.
    pub fn is_durable_store(self) -> bool {
        self.mode == Mode::Synced && self.backend != Backend::File
    }

    /// What this setting is in the store's own words.
    pub fn words(self) -> &'static str {
        match (self.backend, self.mode) {
            (Backend::Sqlite, Mode::Process) => "WAL, `synchronous=NORMAL`",
            (Backend::Sqlite, _) => "WAL, `synchronous=FULL`",
            (Backend::Redb, Mode::Unsynced) => "`Durability::None`; not offered by the adapter",
            (Backend::Redb, Mode::OnePhase) => "`Immediate`, one phase",
            (Backend::Redb, _) => "`Immediate`, two phases",
            (Backend::Sled, Mode::Process) => "`flush`",
            (Backend::Sled, _) => "`flush`, then a sync of its files",
            (Backend::Postgres, Mode::Process) => "`synchronous_commit=off`",
            (Backend::Postgres, _) => "`synchronous_commit=on`, `fsync=on`",
            (Backend::File, Mode::Process) => "plain file, no sync",
            (Backend::File, _) => "plain file, `fdatasync`",
        }
    }
}

impl Backend {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Redb => "redb",
            Self::Sled => "sled",
            Self::Postgres => "postgres",
            Self::File => "file",
        }
    }
}

impl Mode {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::OnePhase => "one-phase",
            Self::Process => "process",
            Self::Unsynced => "unsynced",
        }
    }
}

impl Crash {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Cut => "cut",
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.backend.as_str(), self.mode.as_str())
    }
}

impl FromStr for Setting {
    type Err = UnknownSetting;

    fn from_str(text: &str) -> Result<Self, UnknownSetting> {
        let found = Self::ALL.into_iter().find(|setting| setting.to_string() == text);
        found.ok_or_else(|| UnknownSetting { given: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_reads_back_from_its_name() {
        for setting in Setting::ALL {
            assert_eq!(setting.to_string().parse(), Ok(setting));
        }
        assert!("oracle-synced".parse::<Setting>().unwrap_err().to_string().contains("sqlite-synced"));
    }

    #[test]
    fn every_store_has_a_control_that_must_lose_by_a_cut() {
        for kept in Setting::ALL.into_iter().filter(|setting| setting.promise(Crash::Cut) == Promise::Keeps) {
            let same = |setting: &Setting| setting.backend == kept.backend;
            let control = Setting::ALL.into_iter().filter(same).find(|it| it.promise(Crash::Cut) == Promise::Loses);
            assert!(control.is_some(), "{kept} has none");
        }
    }
}
