//! Where the server's settings come from.

use std::fs;

use crate::world::{Home, ran};

#[test]
fn flags_go_before_the_environment_and_that_before_the_file() {
    let home = Home::new();
    fs::write(
        home.path("syncline.toml"),
        "database = \"file.sqlite\"\ndurability = \"process\"\nlisten = \"127.0.0.1:0\"\nlog-format = \"json\"\n",
    )
    .unwrap();
    let serve = |environment: &[(&str, &str)], flags: &[&str]| {
        let mut command = home.command(["serve", "--config", "syncline.toml"]);
        command.args(flags).envs(environment.iter().copied());
        let serving = home.serve_as(command);
        let said = serving.line.trim().split(", ").skip(1).collect::<Vec<_>>().join(", ");
        serving.stop();
        said
    };
    assert_eq!(serve(&[], &[]), "database file.sqlite, durability process");
    assert!(home.server_log().starts_with('{'), "{}", home.server_log());
    let environment = [("SYNCLINE_DATABASE", "environment.sqlite"), ("SYNCLINE_DURABILITY", "synced")];
    assert_eq!(serve(&environment, &[]), "database environment.sqlite, durability synced");
    let flags = ["--database", "flag.sqlite", "--durability", "process", "--log-format", "text"];
    assert_eq!(serve(&environment, &flags), "database flag.sqlite, durability process");
    assert!(!home.server_log().starts_with('{'));
}

#[test]
fn administration_finds_the_database_by_the_same_settings() {
    let home = Home::new();
    fs::write(home.path("syncline.toml"), "database = \"file.sqlite\"\n").unwrap();
    home.ok("user add ann --config syncline.toml");
    assert!(home.path("file.sqlite").exists() && !home.database().exists());
    let mut list = home.command(["list"]);
    list.env("SYNCLINE_DATABASE", "file.sqlite");
    assert!(ran(list).out.contains("user    ann"));
}

#[test]
fn a_half_written_file_is_named_with_the_line_where_it_breaks_off() {
    let home = Home::new();
    for (text, line) in [
        ("listen = \"127.0.0.1:0\"\ndatabase = \"syncl", 2),
        ("listen = \"127.0.0.1:0\"\nmax-dr", 2),
        ("listen = \"127.0.0.1:0\"\n\nlissten = \"127.0.0.1:0\"\n", 3),
        ("max-connections = \"many\"\n", 1),
    ] {
        fs::write(home.path("syncline.toml"), text).unwrap();
        for command in ["serve --config syncline.toml", "user add ann --config syncline.toml"] {
            let said = home.fails(2, command);
            assert!(said.contains(&format!("syncline.toml, line {line}: ")) && said.contains("correct"), "{said}");
        }
    }
    assert!(!home.database().exists());
}

#[test]
fn a_wrong_value_in_the_file_is_named_with_its_key() {
    let home = Home::new();
    for (line, key) in [
        ("max-drift = \"soon\"", "`max-drift`"),
        ("max-connections = 0", "`max-connections`"),
        ("durability = \"often\"", "`durability`"),
        ("store = \"nosuch:x\"", "`store`"),
        ("listen = 7", "`listen`"),
        ("log-format = \"xml\"", "`log-format`"),
        ("lissten = \"127.0.0.1:0\"", "`lissten`"),
    ] {
        fs::write(home.path("syncline.toml"), format!("# settings\n{line}\n")).unwrap();
        let said = home.fails(2, "serve --config syncline.toml");
        assert!(said.contains("syncline.toml, line 2: ") && said.contains(key), "{line}: {said}");
    }
}

#[test]
fn a_variable_that_is_no_setting_is_refused() {
    let home = Home::new();
    for line in ["serve", "list", "export notes -"] {
        let mut command = home.command(line.split(' '));
        command.env("SYNCLINE_MAX_DRIFFT", "60s");
        let ran = ran(command);
        assert_eq!(ran.code, 2, "{line}: {ran:?}");
        let said = ran.one_line();
        assert!(said.contains("SYNCLINE_MAX_DRIFFT") && said.contains("SYNCLINE_MAX_DRIFT,"), "{said}");
    }
    assert!(!home.database().exists());
}

#[test]
fn a_value_that_makes_no_sense_is_refused_before_anything_is_opened() {
    let home = Home::new();
    for line in ["--listen here", "--durability often", "--max-drift soon", "--max-connections 0", "--log-format xml"] {
        let ran = home.run(&format!("serve {line}"));
        assert_eq!(ran.code, 2, "{line}: {ran:?}");
    }
    let said = home.fails(2, "serve --log a=b=c");
    assert!(said.contains("is not a log filter"), "{said}");
    let said = home.fails(2, "serve --config nowhere.toml");
    assert!(said.contains("nowhere.toml") && said.contains("--config"), "{said}");
    assert!(!home.database().exists());
}
