//! Names of stores.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;

/// A store by name, see the [crate]'s table. Its text form leaves passwords out.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreName(pub(crate) Named);

/// What a name says.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Named {
    Memory,
    Sqlite(PathBuf),
    Redb(PathBuf),
    Sled(PathBuf),
    /// The URL, without the schema and with any password.
    Postgres {
        url: String,
        schema: Option<String>,
    },
}

/// The kinds of stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scheme {
    /// `memory:`
    Memory,
    /// `sqlite:FILE`
    Sqlite,
    /// `redb:FILE`
    Redb,
    /// `sled:FOLDER`
    Sled,
    /// `postgres://…`
    Postgres,
}

/// A text that names no store.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidStoreName {
    /// Nothing goes by this scheme.
    #[error("there is no store `{scheme}:`; there are {}, and a path alone is a SQLite file", FORMS.join(", "))]
    UnknownScheme {
        /// What stands before the colon.
        scheme: String,
    },
    /// The scheme is known and what follows is not what it takes.
    #[error("a store of this kind is named {form}")]
    Incomplete {
        /// What it should look like.
        form: &'static str,
    },
    /// There is no text.
    #[error("the store's name is empty; there are {}, and a path alone is a SQLite file", FORMS.join(", "))]
    Empty,
}

/// How the stores are named, in the order of [`Scheme::ALL`].
const FORMS: [&str; 5] = ["memory:", "sqlite:FILE", "redb:FILE", "sled:FOLDER", "postgres://USER@HOST/DATABASE"];
/// Another way to write the scheme of Postgres, which its own tools take too.
const POSTGRESQL: &str = "postgresql";

impl Scheme {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Memory, Self::Sqlite, Self::Redb, Self::Sled, Self::Postgres];

    /// What stands before the colon.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Redb => "redb",
            Self::Sled => "sled",
            Self::Postgres => "postgres",
        }
    }

    /// Whether this build can open such a store.
    pub const fn is_built(self) -> bool {
        match self {
            Self::Memory => true,
            Self::Sqlite => cfg!(feature = "sqlite"),
            Self::Redb => cfg!(feature = "redb"),
            Self::Sled => cfg!(feature = "sled"),
            Self::Postgres => cfg!(feature = "postgres"),
        }
    }

    /// Whether such a store keeps the accounts of a server, too.
    pub const fn has_accounts(self) -> bool {
        matches!(self, Self::Sqlite | Self::Postgres)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl StoreName {
    /// The store in memory.
    pub const fn memory() -> Self {
        Self(Named::Memory)
    }

    /// A SQLite file.
    pub fn sqlite(file: impl Into<PathBuf>) -> Self {
        Self(Named::Sqlite(file.into()))
    }

    /// A redb file.
    pub fn redb(file: impl Into<PathBuf>) -> Self {
        Self(Named::Redb(file.into()))
    }

    /// A sled folder.
    pub fn sled(folder: impl Into<PathBuf>) -> Self {
        Self(Named::Sled(folder.into()))
    }

    /// Which kind of store.
    pub fn scheme(&self) -> Scheme {
        match self.0 {
            Named::Memory => Scheme::Memory,
            Named::Sqlite(_) => Scheme::Sqlite,
            Named::Redb(_) => Scheme::Redb,
            Named::Sled(_) => Scheme::Sled,
            Named::Postgres { .. } => Scheme::Postgres,
        }
    }

    /// The file or folder if it is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Named::Sqlite(path) | Named::Redb(path) | Named::Sled(path) => Some(path),
            Named::Memory | Named::Postgres { .. } => None,
        }
    }

    /// The schema of a database if one is named.
    pub fn schema(&self) -> Option<&str> {
        match &self.0 {
            Named::Postgres { schema, .. } => schema.as_deref(),
            _ => None,
        }
    }

    /// The same database with another schema. Other kinds of stores have none and stay as they are.
    #[must_use]
    pub fn with_schema(self, name: impl Into<String>) -> Self {
        match self.0 {
            Named::Postgres { url, .. } => Self(Named::Postgres { url, schema: Some(name.into()) }),
            _ => self,
        }
    }

    fn parse(scheme: Scheme, place: &str) -> Result<Self, InvalidStoreName> {
        match scheme {
            Scheme::Memory if place.is_empty() => Ok(Self::memory()),
            Scheme::Sqlite if !place.is_empty() => Ok(Self::sqlite(place)),
            Scheme::Redb if !place.is_empty() => Ok(Self::redb(place)),
            Scheme::Sled if !place.is_empty() => Ok(Self::sled(place)),
            Scheme::Postgres if place.starts_with("//") => {
                let (place, schema) = split_schema(place);
                Ok(Self(Named::Postgres { url: format!("{scheme}:{place}"), schema }))
            }
            _ => Err(InvalidStoreName::Incomplete { form: FORMS[scheme as usize] }),
        }
    }
}

impl FromStr for StoreName {
    type Err = InvalidStoreName;

    fn from_str(text: &str) -> Result<Self, InvalidStoreName> {
        let Some((before, after)) = text.split_once(':').filter(|(before, _)| is_scheme(before)) else {
            return if text.is_empty() { Err(InvalidStoreName::Empty) } else { Ok(Self::sqlite(text)) };
        };
        let named =
            |scheme: &Scheme| scheme.as_str() == before || (*scheme == Scheme::Postgres && before == POSTGRESQL);
        match Scheme::ALL.into_iter().find(named) {
            Some(scheme) => Self::parse(scheme, after),
            None => Err(InvalidStoreName::UnknownScheme { scheme: before.to_owned() }),
        }
    }
}

/// Whether this can be a scheme: a single letter is a drive.
fn is_scheme(text: &str) -> bool {
    text.len() > 1 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'+')
}

/// Takes `schema=NAME` out of a URL's query.
fn split_schema(url: &str) -> (String, Option<String>) {
    let Some((base, query)) = url.split_once('?') else { return (url.to_owned(), None) };
    let (schema, others): (Vec<_>, Vec<_>) = query.split('&').partition(|part| part.starts_with("schema="));
    let schema = schema.last().and_then(|part| part.split_once('=')).map(|(_, name)| name.to_owned());
    match others.join("&") {
        others if others.is_empty() => (base.to_owned(), schema),
        others => (format!("{base}?{others}"), schema),
    }
}

/// A URL without its password and the parameters that may hold one.
fn without_secrets(url: &str) -> String {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let base = match base.rsplit_once('@') {
        Some((before, host)) => {
            let (scheme, user) = before.split_once("//").unwrap_or(("", before));
            let user = user.split(':').next().unwrap_or_default();
            format!("{scheme}//{user}@{host}")
        }
        None => base.to_owned(),
    };
    let plain: Vec<_> =
        query.split('&').filter(|part| part.starts_with("host=") || part.starts_with("port=")).collect();
    if plain.is_empty() { base } else { format!("{base}?{}", plain.join("&")) }
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Named::Memory => f.write_str(FORMS[Scheme::Memory as usize]),
            Named::Sqlite(path) | Named::Redb(path) | Named::Sled(path) => {
                write!(f, "{}:{}", self.scheme(), path.display())
            }
            Named::Postgres { url, schema } => {
                let url = without_secrets(url);
                f.write_str(&url)?;
                let Some(schema) = schema else { return Ok(()) };
                write!(f, "{}schema={schema}", if url.contains('?') { '&' } else { '?' })
            }
        }
    }
}

impl fmt::Debug for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreName({self})")
    }
}
