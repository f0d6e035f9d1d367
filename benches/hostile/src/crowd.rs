//! Many clients at once.

use std::collections::BTreeMap;
use std::future::Future;

use tokio::task::JoinSet;

/// Does something so many times at once, and gives all that came of it.
pub(crate) async fn all<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    count: usize,
    act: impl Fn(usize) -> F,
) -> Vec<T> {
    let tasks: JoinSet<T> = (0..count).map(act).collect();
    tasks.join_all().await
}

/// A part of a number of clients, one at least.
pub(crate) fn part(count: usize, scale: f64) -> usize {
    ((count as f64 * scale) as usize).max(1)
}

/// What came how often, in words.
pub(crate) fn tally<T: ToString>(all: impl IntoIterator<Item = T>) -> String {
    let mut counts = BTreeMap::<String, usize>::new();
    for one in all {
        *counts.entry(one.to_string()).or_default() += 1;
    }
    let told = counts.iter().map(|(what, count)| format!("{count} × {what}"));
    told.collect::<Vec<_>>().join(", ")
}
