//! Runs a law to its end, or says that it has none.

use std::future::Future;
use std::time::Duration;

/// How long a law may take. Only a law whose waiter is never woken takes this long.
const PATIENCE: Duration = Duration::from_secs(180);

/// Runs a law on a runtime of its own, with several threads, so that races are real.
pub fn law<F: Future<Output = ()>>(law: F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
    runtime.expect("a runtime starts").block_on(patiently(law));
}

/// Gives a law enough time. A law that needs more has failed.
pub async fn patiently<F: Future<Output = ()>>(law: F) {
    let ended = tokio::time::timeout(PATIENCE, law).await;
    ended.expect("the law did not come to an end: it waits for something that never happens");
}
