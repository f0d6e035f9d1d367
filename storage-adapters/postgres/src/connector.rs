//! Which way connections take to the server, straight or through a pooler, and what is set over them.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, RawSql, Row};
use syncline::store::Retry;

use crate::error::{Fault, Result, backend};
use crate::history::{self, History};
use crate::settings::{Setting, Target, given, quoted};
use crate::work::Work;

/// Which way connections take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// A connection has a session of its own.
    Straight,
    /// A connection may have another session in each transaction.
    Pooled,
}

/// How to open connections and set up their sessions. It has no `Debug`, which would show a password.
pub(crate) struct Connector {
    target: Target,
    way: Way,
    settings: Vec<Setting>,
    /// `None` if the server cannot tell its history.
    history: Option<History>,
}

impl Connector {
    /// A way to a server whose history is not known yet.
    pub(crate) fn new(target: Target, way: Way, settings: Vec<Setting>) -> Self {
        Self { target, way, settings, history: None }
    }

    /// The same way with other settings, to a server that has this history.
    ///
    /// # Errors
    /// [`StoreError::Backend`](syncline::StoreError::Backend) if a pooler keeps a setting of the URL from the server.
    pub(crate) fn with(&self, settings: Vec<Setting>, history: Option<History>) -> Result<Self> {
        let given = if self.way == Way::Pooled { given(&self.target)? } else { Vec::new() };
        Ok(Self { target: self.target.clone(), way: self.way, settings: [given, settings].concat(), history })
    }

    pub(crate) fn way(&self) -> Way {
        self.way
    }

    /// Whether this is among the settings.
    pub(crate) fn sets(&self, name: &str) -> bool {
        self.settings.iter().any(|setting| setting.name == name)
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn history(&self) -> Option<&History> {
        self.history.as_ref()
    }

    /// The statements that make the settings, for the session or for a transaction that they begin, and answer with what is set then.
    pub(crate) fn setup(&self, work: Option<Work>) -> RawSql {
        let begin = work.map_or(String::new(), |work| format!("{}; ", work.begin()));
        let settings = self.settings.iter().map(|setting| setting.call(work.is_some())).collect::<String>();
        let history = if self.history.is_some() { history::SHOWN } else { "''" };
        let shown = "current_setting('transaction_isolation'), current_setting('transaction_read_only')";
        sqlx::raw_sql(AssertSqlSafe(format!("{begin}SELECT {settings}{shown}, {history}")))
    }

    /// Looks at what is set, and gives the server's history if it is not the one that it had.
    ///
    /// # Errors
    /// [`StoreError::Backend`](syncline::StoreError::Backend) if a setting is not what it was set to, or if the server takes no writes.
    pub(crate) fn check(&self, row: &PgRow, work: Option<Work>) -> Result<Option<String>> {
        for (place, setting) in self.settings.iter().enumerate() {
            setting.check(row.try_get(place)?)?;
        }
        let count = self.settings.len();
        if let Some(work) = work {
            Setting::new("transaction_isolation", work.isolation()).check(row.try_get(count)?)?;
        }
        if work != Some(Work::Moment) && row.try_get::<&str, _>(count + 1)? == "on" {
            // A standby takes the primary's place before long, or the address leads to the new primary.
            let retry = if self.history.is_some() { Retry::Later } else { Retry::Never };
            return Err(Fault::Store(backend(retry, "the server takes no writes; connect to the primary")));
        }
        let found: &str = row.try_get(count + 2)?;
        let is_known = self.history.as_ref().is_none_or(|history| history.is(found));
        Ok((!is_known).then(|| found.to_owned()))
    }
}

impl Setting {
    /// One column of the statement that makes the settings.
    fn call(&self, is_local: bool) -> String {
        format!("set_config({}, {}, {is_local}), ", quoted(&self.name), quoted(&self.value))
    }

    /// # Errors
    /// If the server says that it is something else.
    fn check(&self, found: &str) -> Result<()> {
        if self.is_free || found == self.value {
            return Ok(());
        }
        let why = format!(
            "the setting {} is `{found}` after it was set to `{}`: something between Syncline and the server changes or keeps \
             back what is sent; connect without it",
            self.name, self.value
        );
        Err(Fault::Store(backend(Retry::Never, why)))
    }
}
