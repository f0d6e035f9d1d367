//! The rules.

/// A file of the workspace.
pub(crate) struct File<'a> {
    /// Its path below the workspace, with forward slashes.
    pub(crate) path: &'a str,
    pub(crate) text: &'a str,
}

type Rule = fn(&File<'_>) -> Vec<String>;

/// Every rule, by name.
pub(crate) const RULES: [(&str, Rule); 8] = [
    ("length of files", file_length),
    ("length of functions", function_length),
    ("banned calls in the engine", banned_calls),
    ("one codec module", one_codec),
    ("the engine's manifest", engine_manifest),
    ("one dependency table", one_table),
    ("nothing left open", nothing_open),
    ("width of lines", line_width),
];

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;
const LINE_CHARS_MAX: usize = 140;

fn is_rust(file: &File<'_>) -> bool {
    file.path.ends_with(".rs")
}

/// The engine itself, not its tests, kit or lab.
fn is_engine(file: &File<'_>) -> bool {
    file.path.starts_with("engine/src/")
}

pub(crate) fn file_length(file: &File<'_>) -> Vec<String> {
    let lines = file.text.lines().count();
    let long = is_rust(file) && lines > FILE_LINES_MAX;
    long.then(|| format!("{lines} lines, the limit is {FILE_LINES_MAX}: split it")).into_iter().collect()
}

pub(crate) fn function_length(file: &File<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let mut start: Option<(usize, usize, &str)> = None;
    for (number, line) in file.text.lines().enumerate().filter(|_| is_rust(file)) {
        let indent = line.len() - line.trim_start().len();
        let word = line.trim_start().split("fn ").next().unwrap_or_default();
        let begins = line.contains("fn ")
            && word
                .split_whitespace()
                .all(|word| matches!(word, "pub" | "async" | "const") || word.starts_with("pub("));
        match start {
            None if begins && !line.trim_end().ends_with(['}', ';']) => start = Some((number, indent, line)),
            Some((begin, depth, head)) if indent == depth && line.trim_end() == format!("{}}}", " ".repeat(depth)) => {
                let lines = number - begin + 1;
                if lines > FUNCTION_LINES_MAX {
                    found.push(format!("{lines} lines, the limit is {FUNCTION_LINES_MAX}: `{}`", head.trim()));
                }
                start = None;
            }
            // A trait's method without a body.
            Some((_, depth, _)) if indent == depth && line.trim_end().ends_with(';') => start = None,
            _ => {}
        }
    }
    found
}

pub(crate) fn banned_calls(file: &File<'_>) -> Vec<String> {
    const BANNED: [(&str, &str); 9] = [
        ("SystemTime", "time is passed in"),
        ("Instant::now", "time is passed in"),
        ("rand::", "chance is passed in"),
        ("getrandom", "chance is passed in"),
        ("HashMap", "its order is chance: use BTreeMap"),
        ("HashSet", "its order is chance: use BTreeSet"),
        ("tokio", "the engine has no runtime"),
        ("std::fs", "the engine does no I/O"),
        ("std::thread", "the engine starts no thread"),
    ];
    let code = without_tests(file.text);
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    // Asked by key only, so its order shows nowhere.
    let allowed = |call: &str| call == "HashMap" && file.path == "engine/src/replica/recent.rs";
    let hits = BANNED.iter().filter(|(call, _)| is_engine(file) && lines.contains(call) && !allowed(call));
    hits.map(|(call, why)| format!("`{call}`: {why}")).collect()
}

pub(crate) fn one_codec(file: &File<'_>) -> Vec<String> {
    let elsewhere =
        is_rust(file) && file.path != "engine/src/format/codec.rs" && !file.path.starts_with("engine/tests/tidy/");
    let hit = elsewhere && file.text.contains("bincode");
    hit.then(|| "only engine/src/format/codec.rs names the codec crate".to_owned()).into_iter().collect()
}

pub(crate) fn engine_manifest(file: &File<'_>) -> Vec<String> {
    const FOREIGN: [&str; 10] =
        ["tokio", "axum", "reqwest", "hyper", "rusqlite", "sqlx", "redb", "sled", "rand", "syncline-"];
    let normal = file.text.split("[dev-dependencies]").next().unwrap_or_default();
    let names = normal.split("[dependencies]").nth(1).unwrap_or_default().lines();
    let hits =
        names.filter(|line| file.path == "engine/Cargo.toml" && FOREIGN.iter().any(|name| line.starts_with(name)));
    hits.map(|line| format!("the engine depends on no adapter and no runtime: `{line}`")).collect()
}

pub(crate) fn one_table(file: &File<'_>) -> Vec<String> {
    // Workspaces of their own.
    let apart =
        ["fuzz/", "examples/outside-adapter/", "benches/peers/"].iter().any(|folder| file.path.starts_with(folder));
    let member = file.path.ends_with("Cargo.toml") && file.path != "Cargo.toml" && !apart;
    let sections = file.text.split("\n[").filter(|section| member && section.contains("dependencies]"));
    let lines = sections
        .flat_map(|section| section.lines().skip(1))
        .filter(|line| line.contains('=') && !line.trim_start().starts_with('#'));
    let own = lines.filter(|line| !line.contains("workspace = true") && !line.contains("path = "));
    own.map(|line| format!("versions stand in the root's table alone: `{line}`")).collect()
}

pub(crate) fn nothing_open(file: &File<'_>) -> Vec<String> {
    const OPEN: [&str; 7] = ["// TODO", "// FIXME", "// XXX", "#[ignore", "dbg!(", "todo!(", "unimplemented!("];
    let lines = file.text.lines().filter(|_| is_rust(file) && !file.path.starts_with("engine/tests/tidy/"));
    let hits = lines.filter(|line| OPEN.iter().any(|mark| line.contains(mark)));
    hits.map(|line| format!("left open: `{}`", line.trim())).collect()
}

pub(crate) fn line_width(file: &File<'_>) -> Vec<String> {
    let wide = |line: &&str| is_rust(file) && line.chars().count() > LINE_CHARS_MAX && !line.contains("\"");
    file.text
        .lines()
        .filter(wide)
        .map(|line| format!("wider than {LINE_CHARS_MAX}: `{}…`", &line.trim()[..40]))
        .collect()
}

/// The tests that the laws name in backquotes at the end of a list item, and that no source has.
pub(crate) fn missing_tests(laws: &str, sources: &str) -> Vec<String> {
    let names =
        laws.split('`').skip(1).step_by(2).filter(|name| name.contains("_") && !name.contains([' ', '.', ':', '/']));
    let missing = names.filter(|name| !sources.contains(&format!("fn {name}(")));
    missing.map(str::to_owned).collect()
}

/// The packages of these manifests that the map does not name in backquotes.
pub(crate) fn missing_crates(map: &str, manifests: &[String]) -> Vec<String> {
    let packages =
        manifests.iter().filter_map(|manifest| manifest.split("[package]\nname = \"").nth(1)?.split('"').next());
    packages.filter(|name| !map.contains(&format!("`{name}`"))).map(str::to_owned).collect()
}

/// The file up to its test module.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or_default()
}
