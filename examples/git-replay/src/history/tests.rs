use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;
use crate::digest::Expected;

const GOOD: &str = "#syncline-history 1\n\
    c\t0\t0\t-62\t1112911993\t-\n\
    w\tMakefile\ta6bba79ba1f4\n\
    w\t\"M\\303\\244rchen\"\t27577f76849c\n\
    c\t1\t1\t4102444800\t1112912170\t0\n\
    c\t2\t0\t1112933008\t1112933009\t0,1\n\
    d\tMakefile\n";

fn read(text: impl Into<Vec<u8>>) -> Result<Vec<Commit>, HistoryError> {
    HistoryReader::new("test.tsv", io::Cursor::new(text.into()))?.collect()
}

/// The problem of a text of which the first line is good, and its line number.
fn problem(rest: &str) -> (u64, Problem) {
    match read(format!("#syncline-history 1\n{rest}")) {
        Err(HistoryError::Line { line, problem, .. }) => (line, problem),
        other => panic!("expected a bad line, got {other:?}"),
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

#[test]
fn commits_come_with_their_changes_in_file_order() {
    let write = |path: &str, id: &str| Change::Write { path: path.into(), id: id.into() };
    let commit = |index, author, times: (i64, i64), parents: &[u32], changes| Commit {
        index,
        author: AuthorId(author),
        author_time_s: times.0,
        commit_time_s: times.1,
        parents: parents.to_vec(),
        changes,
    };
    let first = vec![write("Makefile", "a6bba79ba1f4"), write("\"M\\303\\244rchen\"", "27577f76849c")];
    let last = vec![Change::Delete { path: "Makefile".into() }];
    let expected = [
        commit(0, 0, (-62, 1112911993), &[], first),
        commit(1, 1, (4102444800, 1112912170), &[0], vec![]),
        commit(2, 0, (1112933008, 1112933009), &[0, 1], last),
    ];
    assert_eq!(read(GOOD).unwrap(), expected);
}

#[test]
fn gzip_is_known_by_its_first_bytes() {
    assert_eq!(read(gzip(GOOD)).unwrap(), read(GOOD).unwrap());
}

#[test]
fn gzip_files_put_together_are_one_history() {
    let (head, tail) = GOOD.split_at(70);
    assert_eq!(read([gzip(head), gzip(tail)].concat()).unwrap(), read(GOOD).unwrap());
}

#[test]
fn a_history_without_commits_is_empty() {
    assert_eq!(read("#syncline-history 1\n").unwrap(), []);
}

#[test]
fn another_file_is_refused_at_its_first_line() {
    for text in ["", "\n", "hello\nworld\n", "#syncline-history\n"] {
        let error = read(text).unwrap_err();
        assert!(matches!(error, HistoryError::Line { line: 1, problem: Problem::Header(_), .. }), "{error}");
    }
}

#[test]
fn another_version_is_named() {
    let error = read("#syncline-history 2\n").unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("test.tsv, line 1: history format \"2\" is unknown"), "{text}");
}

#[test]
fn a_wrong_number_of_fields_says_how_many_were_expected() {
    let fields = |kind, expected, found| (2, Problem::Fields { kind, expected, found });
    assert_eq!(problem("c\t0\t0\t5\t6\n"), fields('c', 6, 5));
    assert_eq!(problem("w\ta\tb\tc\n"), fields('w', 3, 4));
    assert_eq!(problem("d\n"), fields('d', 2, 1));
}

#[test]
fn a_field_that_is_no_number_is_quoted() {
    let number = |field, found: &str| (2, Problem::Number { field, found: found.into() });
    assert_eq!(problem("c\tx\t0\t5\t6\t-\n"), number("index", "x"));
    assert_eq!(problem("c\t0\t-1\t5\t6\t-\n"), number("author", "-1"));
    assert_eq!(problem("c\t0\t0\t5.0\t6\t-\n"), number("author_time_s", "5.0"));
    assert_eq!(problem("c\t0\t0\t5\t99999999999999999999\t-\n"), number("commit_time_s", "99999999999999999999"));
    assert_eq!(problem("c\t0\t0\t5\t6\t\n"), number("parents", ""));
}

#[test]
fn an_unknown_kind_of_line_is_refused() {
    assert_eq!(problem("x\ta\n"), (2, Problem::Kind("x\ta".into())));
    assert_eq!(problem("\n"), (2, Problem::Kind(String::new())));
}

#[test]
fn an_empty_path_or_id_is_refused() {
    assert_eq!(problem("c\t0\t0\t5\t6\t-\nw\t\tb\n"), (3, Problem::Empty("path")));
    assert_eq!(problem("c\t0\t0\t5\t6\t-\nw\ta\t\n"), (3, Problem::Empty("id")));
}

#[test]
fn a_change_needs_a_commit_before_it() {
    assert_eq!(problem("d\ta\n"), (2, Problem::ChangeBeforeCommit));
}

#[test]
fn commits_and_authors_are_numbered_without_holes() {
    assert_eq!(problem("c\t1\t0\t5\t6\t-\n"), (2, Problem::Index { expected: 0, found: 1 }));
    assert_eq!(problem("c\t0\t1\t5\t6\t-\n"), (2, Problem::Author { expected: 0, found: 1 }));
    assert_eq!(problem("c\t0\t4294967295\t5\t6\t-\n"), (2, Problem::Author { expected: 0, found: u32::MAX }));
}

#[test]
fn a_parent_must_be_an_earlier_commit() {
    assert_eq!(problem("c\t0\t0\t5\t6\t0\n"), (2, Problem::Parent { commit: 0, parent: 0 }));
    assert_eq!(problem("c\t0\t0\t5\t6\t-\nc\t1\t0\t5\t6\t0,7\n"), (3, Problem::Parent { commit: 1, parent: 7 }));
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let error = read(b"#syncline-history 1\nc\t0\t0\t5\t6\t-\nd\t\xff\n").unwrap_err();
    assert!(matches!(error, HistoryError::Line { line: 3, problem: Problem::NotUtf8, .. }), "{error}");
}

#[test]
fn a_line_without_end_is_refused_in_bounded_memory() {
    let endless = io::Read::chain(&b"#syncline-history 1\nd\t"[..], io::repeat(b'x'));
    let mut reader = HistoryReader::new("endless", endless).unwrap();
    let error = reader.next().unwrap().unwrap_err();
    assert!(matches!(error, HistoryError::Line { line: 2, problem: Problem::TooLong, .. }), "{error}");
}

#[test]
fn a_plain_file_cut_within_a_line_is_noticed() {
    assert_eq!(problem("c\t0\t0\t5\t6\t-\nw\ta\tb"), (3, Problem::CutOff));
}

#[test]
fn a_gzip_file_cut_anywhere_is_noticed_and_nothing_follows() {
    let packed = gzip(GOOD);
    for end in 3..packed.len() {
        let Ok(reader) = HistoryReader::new("cut.gz", io::Cursor::new(packed[..end].to_vec())) else { continue };
        let commits: Vec<_> = reader.take(10).collect();
        let (last, before) = commits.split_last().unwrap();
        assert!(before.iter().all(Result::is_ok), "cut at {end}");
        assert!(matches!(last, Err(HistoryError::Damaged { .. })), "cut at {end}: {last:?}");
    }
}

#[test]
fn a_gzip_file_with_a_flipped_bit_is_noticed() {
    let mut packed = gzip(GOOD);
    let checksum = packed.len() - 6;
    packed[checksum] ^= 1;
    let error = read(packed).unwrap_err();
    assert!(error.to_string().contains("fetch it again"), "{error}");
}

#[test]
fn a_missing_file_is_named() {
    let error = HistoryReader::open(Path::new("/no/such/file")).err().unwrap();
    assert_eq!(error.to_string(), "cannot open the history file /no/such/file");
}

/// The folder is given by `SYNCLINE_DATA`, or lies next to the repository.
#[test]
fn the_history_of_git_itself_has_the_published_digest() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = std::env::var_os("SYNCLINE_DATA").map_or_else(beside, PathBuf::from);
    let file = data.join("git-history.tsv.gz");
    if !file.exists() {
        println!("skipped: there is no {}", file.display());
        return;
    }
    let expected = Expected::of(HistoryReader::open(&file).unwrap()).unwrap();
    assert_eq!((expected.commits, expected.commits_per_author.len()), (81_966, 2_669));
    assert_eq!((expected.changes, expected.paths), (171_783, 5_097));
    assert_eq!(expected.digest.to_string(), "8b7b0e2334922e9c06672c37dccc6035ddb03c443078ef0ee1583da8c7d60478");
}
