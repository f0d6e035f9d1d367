//! What every session is set to.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use syncline::store::{Retry, StoreError};

use crate::error::backend;
use crate::options::PostgresOptions;

/// Bytes of a schema's name; with `syncline_` before it, it names the channel of announcements, which takes 63.
const SCHEMA_BYTES_MAX: usize = 48;
/// How long a server that starts waits for another one that is changing the tables.
const MIGRATION_LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// What all statements here have in common: they find their rows by a key, so that one plan, made once, is right for all
/// parameters and all statistics. A plan that reads whole tables would be one that was made while they were empty.
const PLANNING: [(&str, &str); 7] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_material", "off"),
    ("jit", "off"),
];

/// One setting of a session.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) name: Cow<'static, str>,
    /// As the server writes it.
    pub(crate) value: String,
    /// It is the user's, and the server may write it otherwise.
    pub(crate) is_free: bool,
}

impl Setting {
    pub(crate) fn new(name: &'static str, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), is_free: false }
    }
}

/// The server and the user, as the URL names them.
#[derive(Clone)]
pub(crate) struct Target {
    full: PgConnectOptions,
    /// Without the settings that the URL names.
    plain: PgConnectOptions,
}

impl Target {
    /// How to start a session that bears a mark.
    pub(crate) fn marked(&self, name: &str, mark: &str) -> PgConnectOptions {
        self.full.clone().options([(name, mark)])
    }

    /// How to connect to somebody who takes no options.
    pub(crate) fn plain(&self) -> &PgConnectOptions {
        &self.plain
    }
}

/// Reads the URL.
///
/// # Errors
/// If the URL or the schema's name cannot be read.
pub(crate) fn target(options: &PostgresOptions) -> Result<Target, StoreError> {
    check_schema(&options.schema)?;
    let parse = |url: &str| {
        let parsed = PgConnectOptions::from_str(url);
        let parsed =
            parsed.map_err(|error| backend(Retry::Never, format!("the database's URL does not read: {error}")))?;
        let named = parsed.get_application_name().is_some();
        let parsed = if named { parsed } else { parsed.application_name("syncline") };
        // Nothing here is a fraction, and poolers know no such parameter.
        Ok(parsed.extra_float_digits(None).disable_statement_logging())
    };
    Ok(Target { full: parse(&options.url)?, plain: parse(&without_options(&options.url))? })
}

/// A URL without its parameters `options=…` and `options[…]=…`.
fn without_options(url: &str) -> String {
    let Some((address, parameters)) = url.split_once('?') else { return url.to_owned() };
    let is_option = |parameter: &str| {
        let name = parameter.split('=').next().unwrap_or_default();
        name == "options" || ["options[", "options%5B", "options%5b"].iter().any(|start| name.starts_with(start))
    };
    let kept: Vec<&str> = parameters.split('&').filter(|parameter| !is_option(parameter)).collect();
    format!("{address}?{}", kept.join("&"))
}

/// The settings that the user has asked for, to be made over a connection which takes no options.
///
/// # Errors
/// [`StoreError::Backend`] if they come from `PGOPTIONS`, which cannot be kept from being sent, or do not read.
pub(crate) fn given(target: &Target) -> Result<Vec<Setting>, StoreError> {
    let refuse = |why: &str| {
        let why = format!("a pooler stands before the server, and passes no options on to it: {why}");
        backend(Retry::Never, why)
    };
    if target.plain.get_options().is_some() {
        return Err(refuse("unset PGOPTIONS, and name the settings in the URL, as `options=-c name=value`"));
    }
    let words = words(target.full.get_options().unwrap_or_default());
    let (mut settings, mut words) = (Vec::new(), words.into_iter());
    while let Some(word) = words.next() {
        let setting = match word.strip_prefix("-c") {
            Some("") => words.next(),
            Some(setting) => Some(setting.to_owned()),
            None => word.strip_prefix("--").map(ToOwned::to_owned),
        };
        let setting = setting.as_deref().and_then(|setting| setting.split_once('='));
        let (name, value) = setting.ok_or_else(|| {
            refuse(&format!("only settings can be made for it, as `-c name=value`, and `{word}` in the URL is none"))
        })?;
        settings.push(Setting { name: name.replace('-', "_").into(), value: value.into(), is_free: true });
    }
    Ok(settings)
}

/// Words between spaces. A backslash before a character makes it a plain one.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut characters) = (vec![String::new()], text.chars());
    while let Some(character) = characters.next() {
        match (character, words.last_mut()) {
            ('\\', Some(word)) => word.extend(characters.next()),
            (space, _) if space.is_whitespace() => words.push(String::new()),
            (plain, Some(word)) => word.push(plain),
            (_, None) => {}
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A text in a statement.
pub(crate) fn quoted(text: &str) -> String {
    format!(" E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// What the connection is set to that brings the tables up to date and asks what the server promises.
pub(crate) fn opening(options: &PostgresOptions) -> Vec<Setting> {
    let common = common(options, MIGRATION_LOCK_TIMEOUT);
    let asynchronous = options.asynchronous.then(|| Setting::new("synchronous_commit", "off"));
    common.into_iter().chain(asynchronous).collect()
}

/// What the connections are set to that serve requests. The server's `synchronous_commit`, once found, is made theirs, so that no later
/// change of its configuration makes a promise untrue.
pub(crate) fn working(options: &PostgresOptions, synchronous_commit: &str) -> Vec<Setting> {
    let statement_timeout = span(options.statement_timeout);
    let more = [
        Setting::new("statement_timeout", statement_timeout.clone()),
        Setting::new("idle_in_transaction_session_timeout", statement_timeout),
        Setting::new("synchronous_commit", synchronous_commit),
    ];
    let planning = PLANNING.map(|(name, value)| Setting::new(name, value));
    common(options, options.lock_timeout).into_iter().chain(more).chain(planning).collect()
}

fn common(options: &PostgresOptions, lock_timeout: Duration) -> [Setting; 3] {
    [
        Setting::new("search_path", &*options.schema),
        Setting::new("lock_timeout", span(lock_timeout)),
        Setting::new("default_transaction_isolation", "read committed"),
    ]
}

/// Whole milliseconds in the unit in which the server writes them; the least that is not for ever if there would be none.
fn span(span: Duration) -> String {
    let millis = span.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128);
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")];
    let unit = units.into_iter().find(|(unit, _)| millis > 0 && millis.is_multiple_of(*unit));
    unit.map_or_else(|| "0".to_owned(), |(unit, name)| format!("{}{name}", millis / unit))
}

fn check_schema(name: &str) -> Result<(), StoreError> {
    let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let starts_well = !name.starts_with("pg_") && name.starts_with(|first: char| !first.is_ascii_digit());
    if plain && starts_well && name.len() <= SCHEMA_BYTES_MAX {
        return Ok(());
    }
    let rule = "it takes 1 to 48 of a-z 0-9 _ and does not start with a digit or `pg_`";
    Err(backend(Retry::Never, format!("`{name}` cannot be a schema's name: {rule}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schema_names_that_break_the_rule_are_refused() {
        for name in ["", "Notes", "1a", "pg_x", "a-b", "a\"b", &"a".repeat(49)] {
            assert!(check_schema(name).is_err(), "{name}");
        }
        assert!(check_schema("_team_7").is_ok());
    }

    #[test]
    fn timeouts_are_rounded_up_so_that_short_ones_are_not_for_ever() {
        assert_eq!(span(Duration::ZERO), "0");
        assert_eq!(span(Duration::from_nanos(1)), "1ms");
        assert_eq!(span(Duration::from_secs(3)), "3s");
        assert_eq!(span(Duration::from_secs(7_200)), "2h");
        assert_eq!(span(Duration::MAX), format!("{}ms", i32::MAX));
    }

    #[test]
    fn a_url_that_does_not_read_is_told_without_its_password() {
        let options = PostgresOptions::new("postgres://user:secret@host:nonsense/db");
        let error = target(&options).err().unwrap().to_string();
        assert!(error.contains("URL") && !error.contains("secret"), "{error}");
    }

    fn given_by(url: &str) -> Result<Vec<(String, String)>, StoreError> {
        let given = given(&target(&PostgresOptions::new(url))?)?;
        Ok(given.into_iter().map(|setting| (setting.name.into_owned(), setting.value)).collect())
    }

    #[test]
    fn settings_in_a_url_can_be_made_without_the_options_that_start_a_session() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let url = "postgres://a@b/c?options=-c%20work_mem=1MB%20--seq-page-cost=2&options[a.b]=x%20y&sslmode=disable";
        let expected = [pair("work_mem", "1MB"), pair("seq_page_cost", "2"), pair("a.b", "x y")];
        assert_eq!(given_by(url).unwrap(), expected);
        assert_eq!(given_by("postgres://a@b/c").unwrap(), []);
        assert!(given_by("postgres://a@b/c?options=-e").unwrap_err().to_string().contains("pooler"));
        let target = target(&PostgresOptions::new(url)).unwrap();
        assert_eq!((target.plain().get_options(), target.plain().get_host()), (None, "b"));
    }
}
