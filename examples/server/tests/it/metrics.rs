//! What a monitoring system reads.

use syncline::Transport;
use syncline::protocol::{Reply, Request};

use crate::world::{Home, Serving, note, notes, push};

/// The value of a metric, by name and labels.
fn value(serving: &Serving, name: &str) -> Option<f64> {
    let (status, text) = serving.get("/metrics");
    assert_eq!(status, 200);
    assert!(text.ends_with("# EOF\n"), "{text}");
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn a_healthy_server_says_so() {
    let home = Home::new();
    let serving = home.serve();
    assert_eq!(serving.get("/healthz"), (200, "ok".to_owned()));
}

#[test]
fn a_method_that_no_route_takes_is_told_in_a_problem_document() {
    let home = Home::new();
    let serving = home.serve();
    for path in ["/metrics", "/healthz", "/readyz", "/v1"] {
        let answer = serving.raw(&format!("DELETE {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("application/problem+json"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn what_happens_is_counted() {
    let home = Home::new();
    let token = home.set_up();
    let serving = home.serve();
    assert_eq!(value(&serving, "syncline_bundles_total{outcome=\"stored\"}"), None);
    push(&serving, &token, 1, &["milk", "bread"]).await;
    assert_eq!(serving.get("/v1/spaces/notes/heads").0, 401);
    assert_eq!(serving.get("/nowhere").0, 404);

    for (name, expected) in [
        ("syncline_bundles_total{outcome=\"stored\"}", 2.0),
        ("syncline_bundles_total{outcome=\"refused\"}", 0.0),
        ("syncline_http_requests_total{route=\"/v1/spaces/{space}/push\",status=\"200\"}", 1.0),
        ("syncline_http_requests_total{route=\"/v1/spaces/{space}/heads\",status=\"401\"}", 1.0),
        ("syncline_http_requests_total{route=\"none\",status=\"404\"}", 1.0),
        ("syncline_http_request_duration_seconds_count{route=\"/v1/spaces/{space}/push\"}", 1.0),
        ("syncline_commit_duration_seconds_count", 1.0),
        ("syncline_watchers", 0.0),
        (concat!("syncline_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1.0),
    ] {
        assert_eq!(value(&serving, name), Some(expected), "{name}");
    }
    for name in ["syncline_http_received_bytes_total", "syncline_http_sent_bytes_total", "syncline_bundles_bytes_total"]
    {
        assert!(value(&serving, name) > Some(50.0), "{name}");
    }
}

#[tokio::test]
async fn open_watch_streams_are_counted_until_they_end() {
    let home = Home::new();
    let token = home.set_up();
    let serving = home.serve();
    let replica = push(&serving, &token, 1, &["milk"]).await;
    let transport = serving.transport(&token);
    let Reply::Heads(heads) = transport.call(Request::Heads(notes())).await.unwrap().reply else { panic!() };
    let stream = transport.watch(&notes(), heads.head).await.unwrap();
    assert_eq!(value(&serving, "syncline_watchers"), Some(1.0));
    drop(stream);
    // The server learns of it when it writes to the stream at the latest: each push makes it write.
    for _ in 0..1_000 {
        replica.write(&[note("bread")]).await.unwrap();
        replica.sync(&transport).await.unwrap();
        if value(&serving, "syncline_watchers") == Some(0.0) {
            return;
        }
    }
    panic!("the stream is still counted");
}

#[tokio::test]
async fn neither_metrics_nor_logs_hold_what_people_write_or_keep_secret() {
    let home = Home::new();
    let token = home.set_up();
    let serving = home.serve_as({
        let mut command = home.command(["serve", "--listen", "127.0.0.1:0"]);
        command.args(["--log", "trace,hyper=info,reqwest=info"]);
        command
    });
    push(&serving, &token, 1, &["canary-payload"]).await;
    serving.transport("canary-token").call(Request::Hello).await.unwrap_err();
    home.ok("token create ann laptop");
    let (_, metrics) = serving.get("/metrics");
    let key = std::fs::read_to_string(home.path("syncline.sqlite.control")).unwrap();
    let key = key.split('"').find(|part| part.starts_with("slt_")).unwrap().to_owned();
    serving.stop();
    for text in [metrics, home.server_log()] {
        for secret in ["canary", &token, &key] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}
