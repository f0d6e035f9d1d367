//! Nothing secret in logs, problems or debug output.

use std::io;
use std::sync::{Arc, Mutex};

use syncline::Transport;
use syncline::format::codec;
use syncline::protocol::Request;
use syncline_conformance::Author;
use tracing_subscriber::fmt::MakeWriter;

use crate::asking::{http, post, post_json, send};
use crate::people::{ANN, BROKEN};
use crate::site::{Site, body, message, push, pushed};

/// What no log may hold: in payloads, in tokens, and where it does not belong.
const CANARY: &str = "canary-in-the-coal-mine";

/// Everything that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn tokens_and_payloads_appear_in_no_log_and_no_problem() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    // For the whole process: what the tests next to this one say is looked through as well.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let site = Site::start().await;
    let mut ann = Author::new(1);
    let ann_client = site.ann();
    pushed(ann_client.call(push([ann.write_bodies(&[body(CANARY.as_bytes())])])).await);
    let next = codec::encode(&message([ann.write_bodies(&[body(CANARY.as_bytes())])]));
    let mut answers = vec![
        send(post(&site, "push", [&next[..], CANARY.as_bytes()].concat())).await,
        send(post_json(&site, "push", format!(r#"{{"runs":"{CANARY}"}}"#))).await,
        send(post_json(&site, "push", format!(r#"{{"{CANARY}":1}}"#))).await,
        send(http().get(site.route("heads")).bearer_auth(CANARY)).await,
        send(http().get(site.route("heads")).bearer_auth(BROKEN)).await,
        send(http().get(site.route(&format!("watch?log={CANARY}"))).bearer_auth(ANN)).await,
    ];
    let mut clone = Author::new(1);
    answers.push(send(post(&site, "push", codec::encode(&message([clone.write_bodies(&["other"])])))).await);
    let wrong = site.client(CANARY).build().unwrap();
    let refused = wrong.call(Request::Hello).await.unwrap_err();
    assert!(!format!("{refused:?} {refused} {wrong:?}").contains(CANARY));
    for answer in answers {
        assert!(answer.status.is_client_error() || answer.status.is_server_error(), "{answer:?}");
        assert!(!String::from_utf8_lossy(&answer.body).contains(CANARY), "{answer:?}");
    }

    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for secret in [CANARY, ANN, BROKEN] {
        assert!(!logged.contains(secret), "{logged}");
    }
    // What a person needs is there: route, status, the id, and why the server failed.
    for wanted in [
        "route=\"/v1/spaces/{space}/push\"",
        "status=200",
        "status=409",
        "bytes_in=",
        "ms=",
        "the accounts' disk is gone",
    ] {
        assert!(logged.contains(wanted), "{wanted} is missing in {logged}");
    }
}
