//! For each rule a file that breaks it, and one that keeps it.

use crate::rules::{self, File, RULES};

/// Name of the rule, path, text that breaks it, text that keeps it.
fn twins() -> Vec<(&'static str, &'static str, String, String)> {
    let function = |lines: usize| format!("fn long() {{\n{}}}\n", "    work();\n".repeat(lines));
    vec![
        ("length of files", "a/src/a.rs", "//\n".repeat(401), "//\n".repeat(400)),
        ("length of functions", "a/src/a.rs", function(69), function(68)),
        ("banned calls in the engine", "engine/src/a.rs", "SystemTime::now()".into(), "// SystemTime::now()".into()),
        ("one codec module", "a/src/a.rs", "use bincode::x;".into(), "use syncline::format::codec;".into()),
        (
            "the engine's manifest",
            "engine/Cargo.toml",
            "[dependencies]\ntokio.workspace = true".into(),
            "[dependencies]\nbytes.workspace = true\n[dev-dependencies]\ntokio.workspace = true".into(),
        ),
        (
            "one dependency table",
            "a/Cargo.toml",
            "\n[dependencies]\nx = \"1\"".into(),
            "\n[dependencies]\nx.workspace = true".into(),
        ),
        ("nothing left open", "a/src/a.rs", "// TODO later".into(), "// later".into()),
        ("width of lines", "a/src/a.rs", "x".repeat(141), "x".repeat(140)),
    ]
}

#[test]
fn every_rule_has_a_twin_that_it_catches() {
    for (name, rule) in RULES {
        let (_, path, bad, good) =
            twins().into_iter().find(|twin| twin.0 == name).unwrap_or_else(|| panic!("{name} has no twin"));
        assert!(!rule(&File { path, text: &bad }).is_empty(), "{name} does not fire");
        assert!(rule(&File { path, text: &good }).is_empty(), "{name} fires on what is allowed");
    }
}

#[test]
fn a_map_without_order_is_allowed_to_the_rows_that_are_asked_by_key_alone() {
    let fires = |path, text| !rules::banned_calls(&File { path, text }).is_empty();
    assert!(!fires("engine/src/replica/recent.rs", "HashMap::new()"));
    assert!(fires("engine/src/replica/recent.rs", "HashMap::new(); HashSet::new()"));
    assert!(fires("engine/src/replica/sent.rs", "HashMap::new()"));
}

#[test]
fn a_law_that_names_no_real_test_is_caught() {
    let laws = "* held by `a_real_test` and `a_made_up_test`, see `src/a.rs`";
    assert_eq!(rules::missing_tests(laws, "fn a_real_test() {}"), ["a_made_up_test"]);
}

#[test]
fn a_crate_that_the_map_lacks_is_caught() {
    let manifest = |name: &str| format!("[package]\nname = \"{name}\"\n");
    let manifests = [manifest("on-it"), manifest("left-out"), "[workspace]\n".to_owned()];
    assert_eq!(rules::missing_crates("the crate `on-it`", &manifests), ["left-out"]);
}
