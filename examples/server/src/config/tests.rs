use super::*;

/// A configuration file with this text.
fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("syncline.toml");
    std::fs::write(&path, text).unwrap();
    (dir, path)
}

fn refused(text: &str) -> String {
    let (_dir, path) = file(text);
    ServeOptions::default().settle(Some(&path)).unwrap_err().to_string()
}

#[test]
fn without_a_word_the_server_is_careful() {
    let settings = ServeOptions::default().settle(None).unwrap();
    assert!(settings.listen.ip().is_loopback());
    assert_eq!((settings.listen.port(), settings.place.durability), (8550, Durability::Synced));
    assert_eq!(settings.place.logs, StoreName::sqlite("syncline.sqlite"));
    assert_eq!((settings.place.accounts, settings.max_drift), (None, MAX_DRIFT));
}

#[test]
fn every_key_of_the_file_is_taken() {
    let (_dir, path) = file(
        r#"
        database = "/data/notes.sqlite"
        store = "redb:/data/notes.redb"
        listen = "[::1]:9000"
        durability = "process"
        max-drift = "5m"
        max-connections = 7
        max-watches = 4
        message-memory = 64
        header-timeout = "1s"
        body-timeout = "2s"
        idle-timeout = "3s"
        write-timeout = "4s"
        shutdown-grace = "5s"
        log-format = "json"
        log = "warn,syncline_http=debug"
        "#,
    );
    let settings = ServeOptions::default().settle(Some(&path)).unwrap();
    assert_eq!(settings.place.logs, StoreName::redb("/data/notes.redb"));
    assert_eq!(settings.place.accounts, Some(PathBuf::from("/data/notes.sqlite")));
    assert_eq!(settings.listen.to_string(), "[::1]:9000");
    assert_eq!((settings.place.durability, settings.log_format), (Durability::Process, LogFormat::Json));
    assert_eq!(settings.max_drift.as_secs(), 300);
    let seconds = Duration::from_secs;
    let server = ServerOptions::default()
        .with_connections_max(7)
        .with_header_timeout(seconds(1))
        .with_idle_timeout(seconds(3))
        .with_write_timeout(seconds(4))
        .with_grace(seconds(5));
    assert_eq!(format!("{:?}", settings.server), format!("{server:?}"));
    let router = RouterOptions::default().with_body_patience(seconds(2)).with_watches_max(4).with_memory(64 << 20);
    assert_eq!(format!("{:?}", settings.router), format!("{router:?}"));
    assert!(settings.log.to_string().contains("syncline_http=debug"));
}

#[test]
fn watch_streams_never_take_every_connection() {
    for (text, expected) in [
        ("", 3_072),
        ("max-connections = 8\n", 6),
        ("max-connections = 1\n", 0),
        ("max-connections = 8\nmax-watches = 7\n", 7),
        ("max-connections = 8\nmax-watches = 100\n", 7),
    ] {
        let (_dir, path) = file(text);
        let settings = ServeOptions::default().settle(Some(&path)).unwrap();
        let router = RouterOptions::default().with_watches_max(expected);
        assert_eq!(format!("{:?}", settings.router), format!("{router:?}"), "{text}");
    }
}

#[test]
fn a_flag_goes_before_the_file() {
    let (_dir, path) = file("listen = \"127.0.0.1:1\"\nmax-drift = \"1s\"\ndatabase = \"a\"\n");
    let options = ServeOptions { listen: "127.0.0.1:2".parse().ok(), ..ServeOptions::default() };
    let settings = options.settle(Some(&path)).unwrap();
    assert_eq!((settings.listen.port(), settings.max_drift.as_secs()), (2, 1));
    assert_eq!(place(Some("b".into()), None, None, Some(&path)).unwrap().logs, StoreName::sqlite("b"));
    assert_eq!(place(None, None, None, Some(&path)).unwrap().logs, StoreName::sqlite("a"));
}

#[test]
fn accounts_are_in_the_store_where_it_keeps_them_and_else_in_the_database() {
    for (store, accounts) in [
        ("sqlite:logs", None),
        ("logs", None),
        ("postgres://localhost/logs", None),
        ("redb:logs", Some("a")),
        ("sled:logs", Some("a")),
        ("memory:", Some("a")),
    ] {
        let place = place(Some("a".into()), Some(store.parse().unwrap()), None, None).unwrap();
        assert_eq!(place.accounts, accounts.map(PathBuf::from), "{store}");
    }
}

#[test]
fn an_unknown_key_is_refused_with_its_line() {
    let refused = refused("listen = \"127.0.0.1:1\"\n\nlisten-port = 8550\n");
    assert!(refused.contains("syncline.toml, line 3: unknown field `listen-port`"), "{refused}");
    assert!(refused.contains("`max-drift`"), "it names what there is: {refused}");
}

#[test]
fn a_value_that_makes_no_sense_is_refused_with_its_line() {
    for (text, line, word) in [
        ("log = \"info\"\nmax-drift = \"soon\"\n", 2, "`soon` is not a span of time"),
        ("durability = \"sometimes\"\n", 1, "`synced`"),
        ("\n\nlisten = 8550\n", 3, "invalid type"),
        ("log = \"info\"\nlisten = \"localhost\"\n", 2, "socket address"),
        ("log = \"info\"\nlog = \"warn\"\n", 2, "duplicate key"),
        ("max-connections = 0\n", 1, "nonzero"),
        ("store = \"mysql:notes\"\n", 1, "sqlite:FILE"),
    ] {
        let refused = refused(text);
        assert!(refused.contains(&format!("line {line}: ")) && refused.contains(word), "{refused}");
    }
    assert!(refused("log = \"a=b=c\"").contains("is not a log filter"));
}

#[test]
fn a_file_cut_off_anywhere_is_taken_up_to_there_or_refused_in_one_line() {
    let whole = "database = \"notes.sqlite\"\nlisten = \"127.0.0.1:8550\"\nmax-connections = 12\n";
    for end in 0..whole.len() {
        let (_dir, path) = file(&whole[..end]);
        if let Err(error) = ServeOptions::default().settle(Some(&path)) {
            let error = error.to_string();
            let line = 1 + whole[..end].matches('\n').count();
            assert!(error.contains(&format!("syncline.toml, line {line}: ")), "{end}: {error}");
            assert!(!error.contains('\n') && error.contains("correct this line"), "{end}: {error}");
        }
    }
}

#[test]
fn a_file_that_is_not_there_or_not_text_is_named() {
    let error = place(None, None, None, Some(Path::new("/nowhere/syncline.toml"))).unwrap_err().to_string();
    assert!(error.contains("/nowhere/syncline.toml") && error.contains("--config"), "{error}");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("syncline.toml");
    std::fs::write(&path, [0xff, 0xfe, 0]).unwrap();
    assert!(matches!(place(None, None, None, Some(&path)), Err(ConfigError::Unreadable { .. })));
}
