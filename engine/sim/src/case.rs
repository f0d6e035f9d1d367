//! A history by name: enough to run it again, whole or cut down.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::profile::Profile;

/// One history: a seed's, or what is left of it once it was shrunk.
///
/// Its text form is what a failing run prints and `sim --replay` takes:
///
/// ```
/// use syncline_sim::Case;
///
/// let case: Case = "restore:17:200:keep=3+17+20-25:devices=2:without=delays+losses".parse().unwrap();
/// assert_eq!(case.to_string().parse::<Case>().unwrap(), case);
/// assert_eq!(case.plan().steps.len(), 8);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Which faults.
    pub profile: Profile,
    /// The seed of everything random.
    pub seed: u64,
    /// How many steps the seed was drawn for.
    pub steps: usize,
    /// The steps that are taken if not all are.
    pub keep: Option<Vec<usize>>,
    /// At most so many devices.
    pub devices: Option<u8>,
    /// What is left out.
    pub without: BTreeSet<Trait>,
}

/// A trait of a history that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Trait {
    /// Messages that take their time.
    Delays,
    /// Messages that are lost.
    Losses,
    /// Messages that arrive twice.
    Repeats,
    /// Proxies that answer themselves, hold streams back and take no large messages.
    Proxies,
    /// Disks that take their time.
    SlowDisks,
    /// Disks that lose what was not flushed when the power goes.
    UnsyncedDisks,
    /// Devices that sync by themselves.
    LiveDevices,
    /// Devices that start with an old version.
    OldVersions,
    /// More servers than one.
    Servers,
    /// Stores that are read a few bundles at a time.
    ShortPages,
    /// Devices that write several bundles at once.
    Bursts,
}

impl Trait {
    /// All traits.
    pub const ALL: &[Self] = &[
        Self::Delays,
        Self::Losses,
        Self::Repeats,
        Self::SlowDisks,
        Self::UnsyncedDisks,
        Self::LiveDevices,
        Self::OldVersions,
        Self::Servers,
        Self::ShortPages,
        Self::Bursts,
        Self::Proxies,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Delays => "delays",
            Self::Losses => "losses",
            Self::Repeats => "repeats",
            Self::Proxies => "proxies",
            Self::SlowDisks => "slow-disks",
            Self::UnsyncedDisks => "unsynced-disks",
            Self::LiveDevices => "live-devices",
            Self::OldVersions => "old-versions",
            Self::Servers => "servers",
            Self::ShortPages => "short-pages",
            Self::Bursts => "bursts",
        }
    }
}

impl Case {
    /// The whole history of a seed.
    pub fn new(profile: Profile, seed: u64, steps: usize) -> Self {
        Self { profile, seed, steps, keep: None, devices: None, without: BTreeSet::new() }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.profile, self.seed, self.steps)?;
        if let Some(keep) = &self.keep {
            write!(f, ":keep={}", ranges(keep))?;
        }
        if let Some(devices) = self.devices {
            write!(f, ":devices={devices}")?;
        }
        if !self.without.is_empty() {
            let names: Vec<_> = self.without.iter().map(|left_out| left_out.name()).collect();
            write!(f, ":without={}", names.join("+"))?;
        }
        Ok(())
    }
}

/// Rising numbers with neighbours joined: `3+17+20-25`.
fn ranges(numbers: &[usize]) -> String {
    let runs = numbers.chunk_by(|one, next| one + 1 == *next);
    let run = |run: &[usize]| match run {
        [one] => one.to_string(),
        [first, .., last] => format!("{first}-{last}"),
        [] => String::new(),
    };
    runs.map(run).collect::<Vec<_>>().join("+")
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':');
        let (profile, seed, steps) = (parts.next(), parts.next(), parts.next());
        let (Some(profile), Some(seed), Some(steps)) = (profile, seed, steps) else {
            return Err(format!("`{text}` names no history: it reads profile:seed:steps, and perhaps more"));
        };
        let number = |text: &str| text.parse::<u64>().map_err(|error| format!("`{text}` in a history's name: {error}"));
        let mut case = Self::new(profile.parse()?, number(seed)?, number(steps)? as usize);
        for part in parts {
            match part.split_once('=') {
                Some(("keep", list)) => case.keep = Some(numbers(list)?),
                Some(("devices", count)) => case.devices = Some(number(count)?.min(8) as u8),
                Some(("without", list)) => case.without = traits(list)?,
                _ => return Err(format!("`{part}` in a history's name: there are keep=, devices= and without=")),
            }
        }
        Ok(case)
    }
}

fn numbers(list: &str) -> Result<Vec<usize>, String> {
    let mut found = Vec::new();
    for part in list.split('+').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.parse::<usize>().map_err(|error| format!("step `{text}`: {error}"));
        found.extend(number(first)?..=number(last)?.min(1_000_000));
    }
    Ok(found)
}

fn traits(list: &str) -> Result<BTreeSet<Trait>, String> {
    let known = |name: &str| {
        let found = Trait::ALL.iter().find(|known| known.name() == name).copied();
        found.ok_or_else(|| {
            let names: Vec<_> = Trait::ALL.iter().map(|known| known.name()).collect();
            format!("a history cannot be without `{name}`; it can be without {}", names.join(", "))
        })
    };
    list.split('+').filter(|name| !name.is_empty()).map(known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back() {
        for text in ["calm:1:200", "mixed:7:50:keep=", "crash:9:200:keep=0-3+7:devices=2:without=delays+servers"] {
            assert_eq!(text.parse::<Case>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_name_that_is_none_is_refused_with_what_it_could_be() {
        for text in ["", "calm", "calm:1", "stormy:1:2", "calm:x:2", "calm:1:2:3", "calm:1:2:without=rain"] {
            assert!(text.parse::<Case>().is_err(), "{text}");
        }
    }
}
