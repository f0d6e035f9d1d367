//! A little of everything, always the same.

use syncline::format::Head;
use syncline::store::{Rewrite, WriteBatch};
use syncline::{NTP64, Position, Storage, ViewId};
use syncline_conformance::{Author, Image, Subject, appends, deletes, dot, puts, view, voids};

/// The spaces that the script writes to.
pub(crate) const SPACES: [&str; 2] = ["notes", "a-second.space_7"];

/// The views that it writes rows of.
pub(crate) fn views() -> [ViewId; 2] {
    [view("todo@1"), view("syncline.done@65535")]
}

/// Writes everything, a commit at a time.
pub(crate) async fn run(storage: &dyn Storage) {
    for name in SPACES {
        let store = Subject::open(storage, name).await;
        for batch in batches() {
            store.commit(batch).await;
        }
    }
}

/// Trims the first space, in the middle of a run.
pub(crate) async fn trim(storage: &dyn Storage) {
    let store = Subject::open(storage, SPACES[0]).await;
    store.commit(WriteBatch { trim: Some(Position::new(5)), ..WriteBatch::default() }).await;
}

/// All that there is to see afterwards.
pub(crate) async fn images(storage: &dyn Storage) -> Vec<Image> {
    let mut images = Vec::new();
    for name in SPACES {
        images.push(Subject::open(storage, name).await.image(&views()).await);
    }
    images
}

fn batches() -> Vec<WriteBatch> {
    let [todo, done] = views();
    let (mut ann, mut bob, mut eve) = (Author::new(1), Author::new(0xff), Author::new(3));
    let mut batches = vec![
        WriteBatch {
            rows: puts(&todo, &[("", "empty"), ("a", "1"), ("a\0", "2"), ("b", "")]),
            views: vec![(todo.clone(), Position::new(4))],
            clock: NTP64(1 << 63),
            ..appends([ann.write(3), bob.write(1)])
        },
        WriteBatch {
            rows: [puts(&done, &[("gone", "x")]), deletes(&todo, &["a"])].concat(),
            views: vec![(done.clone(), Position::ZERO)],
            ..voids([dot(&ann, 2)])
        },
        WriteBatch { clear: vec![done.clone()], rows: puts(&done, &[("kept", "y")]), ..WriteBatch::default() },
    ];
    let before = ann.clone();
    batches.push(appends([ann.write(2), bob.write(1), ann.write(1)]));
    // Ann's last three bundles become Eve's.
    let runs = vec![(Position::new(5), eve.write(2)), (Position::new(8), eve.write(1))];
    let rewrite = Rewrite { origin: ann.origin(), after: before.head(), runs };
    batches.push(WriteBatch { rewrite: Some(rewrite), clock: NTP64(5), ..WriteBatch::default() });
    // And what Eve has written becomes nobody's but Ann's again: an origin goes.
    let mut ann = Author::resume(ann.origin(), before.head());
    let runs = vec![(Position::new(5), ann.write(2)), (Position::new(8), ann.write(1))];
    let rewrite = Rewrite { origin: eve.origin(), after: Head::NONE, runs };
    batches.push(WriteBatch { rewrite: Some(rewrite), clock: NTP64(6), ..WriteBatch::default() });
    batches
}
