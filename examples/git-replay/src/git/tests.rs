use std::fs;
use std::io::Write;

use super::*;
use crate::history::{AuthorId, Change};

const ID_A: &str = "8c7e5a667f1b771847fe88c01c3de34413a1b220"; // the blob "A"
const ID_B: &str = "7371f47a6f8bd23a8fa1a8b2a9479cdd76380e54"; // the blob "B"
const ID_C: &str = "96d80cd6c4e7158dbebd0849f4fb7ce513e5828c"; // the blob "C"

/// A bare repository, filled by `git fast-import`.
fn repository(stream: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], input: &[u8]| {
        let mut git = Command::new("git");
        REPOSITORY_VARIABLES.iter().for_each(|variable| _ = git.env_remove(variable));
        let mut git = git.arg("-C").arg(dir.path()).args(arguments).stdin(Stdio::piped()).spawn().unwrap();
        git.stdin.take().unwrap().write_all(input).unwrap();
        assert!(git.wait().unwrap().success(), "git {arguments:?}");
    };
    run(&["init", "--bare", "--quiet", "--initial-branch=main"], b"");
    run(&["fast-import", "--quiet", "--date-format=raw"], stream);
    dir
}

/// One commit on `main` for `repository`: author and date, committer's date, then `from`, `merge` and `M`, `D` lines.
fn commit(mark: u32, author: &str, dates: (i64, i64), rest: &str) -> String {
    format!(
        "commit refs/heads/main\nmark :{mark}\nauthor {author} {} +0000\ncommitter C <c@x> {} +0000\ndata 0\n{rest}\n",
        dates.0, dates.1
    )
}

fn blobs() -> String {
    ["A", "B", "C"].iter().zip(101..).map(|(blob, mark)| format!("blob\nmark :{mark}\ndata 1\n{blob}\n")).collect()
}

fn read(dir: &Path) -> Vec<Commit> {
    Repository::open(dir).unwrap().commits().unwrap().collect::<Result<_, _>>().unwrap()
}

fn write(path: &str, id: &str) -> Change {
    Change::Write { path: path.into(), id: id.into() }
}

fn delete(path: &str) -> Change {
    Change::Delete { path: path.into() }
}

#[test]
fn commits_carry_authors_times_parents_and_changes() {
    let stream = [
        blobs(),
        commit(1, "Ann <a@x>", (2_000_000_000, 1000), "M 100644 :101 dir/a\nM 100644 :102 b"),
        commit(2, "Bob <b@x>", (5, 1001), "from :1\nM 100644 :103 b\nD dir/a"),
        commit(3, "Ann <a@x>", (6, 1002), "from :2"),
        commit(4, "Ann <other@x>", (7, 1003), "from :3\nM 100755 :103 b\nM 100644 :101 c"),
    ]
    .concat();
    let dir = repository(stream.as_bytes());
    let made = |index, author, author_time_s, parents: &[u32], changes| Commit {
        index,
        author: AuthorId(author),
        author_time_s,
        commit_time_s: 1000 + i64::from(index),
        parents: parents.to_vec(),
        changes,
    };
    let expected = [
        made(0, 0, 2_000_000_000, &[], vec![write("b", ID_B), write("dir/a", ID_A)]),
        made(1, 1, 5, &[0], vec![write("b", ID_C), delete("dir/a")]),
        made(2, 0, 6, &[1], vec![]),
        made(3, 2, 7, &[2], vec![write("b", ID_C), write("c", ID_A)]),
    ];
    assert_eq!(read(dir.path()), expected);
}

#[test]
fn a_merge_writes_only_what_it_decided_itself() {
    let stream = [
        blobs(),
        commit(1, "A <a>", (1, 1), "M 100644 :101 both\nM 100644 :101 ours\nM 100644 :101 theirs\nM 100644 :101 gone"),
        commit(2, "A <a>", (2, 2), "from :1\nM 100644 :102 both\nM 100644 :102 ours"),
        commit(3, "A <a>", (3, 3), "from :1\nM 100644 :103 both\nM 100644 :102 theirs"),
        // The tree of a merge starts from its first parent.
        commit(4, "A <a>", (4, 4), "from :2\nmerge :3\nM 100644 :101 both\nM 100644 :102 theirs\nD gone"),
    ]
    .concat();
    let commits = read(repository(stream.as_bytes()).path());
    assert_eq!(commits[3].parents.len(), 2);
    assert_eq!(commits[3].changes, [write("both", ID_A), delete("gone")]);
}

#[test]
fn parents_come_first_even_when_dates_say_otherwise() {
    let stream = [
        commit(1, "A <a>", (0, 100), ""),
        commit(2, "A <a>", (0, 1), "from :1"),
        commit(3, "A <a>", (0, 2), "from :2"),
        commit(4, "A <a>", (0, 99), "from :1"),
        commit(5, "A <a>", (0, 3), "from :4\nmerge :3"),
    ]
    .concat();
    let commits = read(repository(stream.as_bytes()).path());
    assert!(commits.iter().all(|commit| commit.parents.iter().all(|parent| *parent < commit.index)));
    let times: Vec<i64> = commits.iter().map(|commit| commit.commit_time_s).collect();
    assert!(times[0] == 100 && times[4] == 3 && times.len() == 5, "{times:?}");
}

#[test]
fn a_path_of_any_bytes_is_spelled_without_loss() {
    let changes = "M 100644 :101 \"\\377\\303\\244\"\nM 100644 :102 \"tab\\there\"\nM 100644 :103 with space";
    let stream = [blobs(), commit(1, "A <a>", (1, 1), changes)].concat();
    let commits = read(repository(stream.as_bytes()).path());
    let expected = [write("\"tab\\there\"", ID_B), write("with space", ID_C), write("\"\\377\\303\\244\"", ID_A)];
    assert_eq!(commits[0].changes, expected);
}

#[test]
fn the_configuration_of_the_user_changes_nothing() {
    let stream = [
        blobs(),
        commit(1, "A <a>", (1, 1), "M 100644 :101 dir/\"\\303\\244\"\nM 100644 :102 b"),
        commit(2, "A <a>", (2, 2), "from :1\nM 100644 :102 c\nD b"),
    ]
    .concat()
    .replace("dir/\"", "\"dir/");
    let dir = repository(stream.as_bytes());
    let before = read(dir.path());
    assert_eq!(before.len(), 2);
    let settings = "[core]\nquotePath = false\nabbrev = 7\n[diff]\nrenames = copies\nrelative = true\nnoprefix = true\n\
        [log]\nshowRoot = false\n[color]\nui = always\n[format]\npretty = oneline\n";
    let config = dir.path().join("config");
    let kept = fs::read_to_string(&config).unwrap();
    fs::write(&config, kept + settings).unwrap();
    assert_eq!(read(dir.path()), before);
}

#[test]
fn a_stream_that_is_dropped_early_leaves_no_git_behind() {
    let stream: String = (1..=2000).map(|mark| commit(mark, "A <a>", (0, 0), "")).collect();
    let dir = repository(stream.as_bytes());
    let mut commits = Repository::open(dir.path()).unwrap().commits().unwrap();
    assert!(commits.next().unwrap().is_ok());
    let processes = [commits.running[0].child.id(), commits.running[1].child.id()];
    drop(commits);
    assert!(processes.iter().all(|id| !Path::new("/proc").join(id.to_string()).exists()));
}

#[test]
fn a_damaged_repository_is_an_error_and_no_short_history() {
    let stream = [blobs(), commit(1, "A <a>", (1, 1), "M 100644 :101 a")].concat();
    let dir = repository(stream.as_bytes());
    let mut repository = Repository::open(dir.path()).unwrap();
    repository.head = "1234567890123456789012345678901234567890".into();
    let results: Vec<_> = repository.commits().unwrap().collect();
    let [Err(error @ GitError::Failed { command: "rev-list", .. })] = &results[..] else { panic!("{results:?}") };
    assert!(error.to_string().contains("1234567890"), "{error}");
}

#[test]
fn a_directory_without_repository_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let error = Repository::open(dir.path()).unwrap_err();
    assert!(matches!(error, GitError::NotARepository { .. }), "{error}");
}

#[test]
fn a_repository_without_commits_is_refused() {
    let error = Repository::open(repository(b"").path()).unwrap_err();
    assert!(matches!(error, GitError::Empty { .. }), "{error}");
}

#[test]
fn a_shallow_repository_is_refused_with_the_remedy() {
    let stream = [commit(1, "A <a>", (1, 1), ""), commit(2, "A <a>", (2, 2), "from :1")].concat();
    let dir = repository(stream.as_bytes());
    let newest = Repository::open(dir.path()).unwrap().head;
    fs::write(dir.path().join("shallow"), newest + "\n").unwrap();
    let error = Repository::open(dir.path()).unwrap_err();
    assert!(matches!(error, GitError::Shallow { .. }) && error.to_string().contains("--unshallow"), "{error}");
}

#[test]
fn a_missing_git_says_what_to_install() {
    let error = Repository::open_with(OsStr::new("no-such-git"), Path::new(".")).unwrap_err();
    assert!(matches!(error, GitError::Missing { .. }) && error.to_string().contains("install git"), "{error}");
}

#[test]
fn output_that_is_not_understood_is_never_guessed_at() {
    for line in ["warning: hello", ":100644 100644 a b M\tpath", "c\tid\t1\t2", "c\tid\t1\t2\tunknown\tA <a>"] {
        assert!(Parser::default().accept(line.as_bytes()).is_err(), "{line}");
    }
    let mut parser = Parser::default();
    parser.accept(b"c\tid\t1\t2\t\tA <a>").unwrap();
    for line in
        [":100644 100644 a M\tpath", ":100644 100644 a b M", ":100644 100644 a b M\t", "::100644 100644 a b M\tp"]
    {
        assert!(parser.accept(line.as_bytes()).is_err(), "{line}");
    }
}

#[test]
fn a_date_that_git_cannot_read_is_1970() {
    let mut parser = Parser::default();
    parser.accept(b"c\tid\t\t99999999999999999999\t\tA\t<a>").unwrap();
    let commit = parser.finish().unwrap();
    assert_eq!((commit.author_time_s, commit.commit_time_s), (0, 0));
}
