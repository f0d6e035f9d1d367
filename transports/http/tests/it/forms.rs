//! Binary and JSON say the same, compressed or not.

use syncline::format::codec;
use syncline::protocol::{Answer, Have, Pull, Push, Reply, Request};
use syncline::store::Limit;
use syncline::{Cursor, Transport};
use syncline_conformance::{Author, space};
use syncline_http::{BINARY, JSON};

use crate::asking::{get, post, post_json, send};
use crate::people::{ANN, SPACE};
use crate::site::{Site, body, message, pull, push, pushed};

/// The answer in the form that it says it has.
fn answer(reply: &crate::asking::Reply) -> Answer {
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    match reply.header("content-type") {
        BINARY => codec::decode("answer", &reply.body).unwrap(),
        JSON => serde_json::from_slice(&reply.body).unwrap(),
        other => panic!("{other} is no form of this protocol"),
    }
}

#[tokio::test]
async fn every_route_says_the_same_in_both_forms() {
    let site = Site::start().await;
    let mut ann = Author::new(1);
    site.seed(&mut ann).await;
    for path in ["/v1".to_owned(), format!("/v1/spaces/{SPACE}/heads")] {
        let ask = |form: &str| crate::asking::http().get(site.url(&path)).bearer_auth(ANN).header("accept", form);
        let (binary, json) = (send(ask(BINARY)).await, send(ask(JSON)).await);
        assert_eq!((binary.header("content-type"), json.header("content-type")), (BINARY, JSON));
        assert_eq!(answer(&binary), answer(&json));
    }
    let head = site.head().await;
    let have = [Have::Cursor(Cursor::start(head.log)), Have::Heads(site.log().await.heads), Have::Cursor(head)];
    for have in have {
        let message = Pull { have, without: None, limit: Limit::PAGE };
        let binary = send(post(&site, "pull", codec::encode(&message))).await;
        let json = send(post_json(&site, "pull", serde_json::to_vec(&message).unwrap())).await;
        assert_eq!((binary.header("content-type"), json.header("content-type")), (BINARY, JSON));
        assert_eq!(answer(&binary), answer(&json));
    }
    let message = message([ann.write(2)]);
    let json = send(post_json(&site, "push", serde_json::to_vec(&message).unwrap())).await;
    let binary = send(post(&site, "push", codec::encode(&message))).await;
    let (Reply::Push(first), Reply::Push(again)) = (answer(&json).reply, answer(&binary).reply) else {
        panic!("pushes are answered as pushes")
    };
    assert_eq!(first.through, again.through);
    assert_eq!(site.head().await.position.get(), 5);
}

#[tokio::test]
async fn what_one_client_pushes_in_json_another_pulls_in_binary() {
    let site = Site::start().await;
    let written = Author::new(1).write(40);
    let json = site.client(ANN).json().build().unwrap();
    pushed(json.call(push([written.clone()])).await);
    let start = Cursor::start(site.head().await.log);
    for client in [json, site.ann()] {
        let Reply::Pull(page) = client.call(pull(start)).await.unwrap().reply else { panic!("a page") };
        assert_eq!(page.runs, [written.run().clone()]);
        assert_eq!(page.heads, Some(site.log().await.heads));
    }
}

#[tokio::test]
async fn the_answer_comes_in_the_form_that_is_liked_best() {
    let site = Site::start().await;
    for (accept, form) in [
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/*;q=0.5, application/vnd.syncline.v1", BINARY),
        ("application/json;q=0.2, application/vnd.syncline.v1;q=0.3", BINARY),
        ("application/json;q=0, */*;q=0.1", BINARY),
        ("text/html, Application/JSON ; Q=0.9 , application/vnd.syncline.v1;q=0.8", JSON),
        ("application/json;q=2, application/vnd.syncline.v1;q=0.1", BINARY),
    ] {
        assert_eq!(send(get(&site, "heads").header("accept", accept)).await.header("content-type"), form, "{accept}");
    }
    let two = get(&site, "heads").header("accept", "application/json;q=0.1").header("accept", BINARY);
    assert_eq!(send(two).await.header("content-type"), BINARY);
    let any = post(&site, "push", codec::encode(&Push { runs: Vec::new() })).header("accept", "*/*");
    assert_eq!(send(any).await.header("content-type"), BINARY);
}

#[tokio::test]
async fn bodies_are_compressed_where_it_is_worth_it_and_asked_for() {
    let site = Site::start().await;
    pushed(site.ann().call(push([Author::new(1).write_bodies(&[body(&[7; 50_000])])])).await);
    let message = Pull { have: Have::Cursor(Cursor::start(site.head().await.log)), without: None, limit: Limit::PAGE };
    let ask = |coding: &str| post(&site, "pull", codec::encode(&message)).header("accept-encoding", coding);
    let plain = send(ask("gzip, zstd;q=0")).await;
    assert_eq!(plain.header("content-encoding"), "");
    for coding in ["zstd", "gzip, ZSTD;q=0.1", "*", "gzip;q=0.5, *;q=0.1"] {
        let packed = send(ask(coding)).await;
        assert_eq!(packed.header("content-encoding"), "zstd", "{coding}");
        assert!(packed.body.len() < 1_000);
        assert_eq!(zstd::decode_all(&packed.body[..]).unwrap(), plain.body);
    }
    let small =
        send(crate::asking::http().get(site.url("/v1")).bearer_auth(ANN).header("accept-encoding", "zstd")).await;
    assert_eq!(small.header("content-encoding"), "");
}

#[tokio::test]
async fn a_compressed_body_is_taken_in_both_forms() {
    let site = Site::start().await;
    let mut ann = Author::new(1);
    for binary in [true, false] {
        let message = message([ann.write(50)]);
        let request = if binary {
            post(&site, "push", zstd::encode_all(&codec::encode(&message)[..], 3).unwrap())
        } else {
            post_json(&site, "push", zstd::encode_all(&serde_json::to_vec(&message).unwrap()[..], 3).unwrap())
        };
        answer(&send(request.header("content-encoding", "zstd")).await);
    }
    assert_eq!(site.head().await.position.get(), 100);
}

#[tokio::test]
async fn a_single_event_costs_two_bytes_more_than_its_run() {
    let site = Site::start().await;
    let client = site.ann();
    let written = Author::new(1).write(1);
    let size = written.run().as_bytes().len() as u64;
    pushed(client.call(push([written])).await);
    let traffic = client.traffic();
    assert_eq!((traffic.requests, traffic.sent), (1, size + 2));
    assert!((1..200).contains(&traffic.received), "{traffic:?}");
}

#[tokio::test]
async fn traffic_counts_what_goes_over_the_wire() {
    let site = Site::start().await;
    let client = site.ann();
    pushed(client.call(push([Author::new(1).write_bodies(&[body(&[7; 500_000])])])).await);
    let before = client.traffic();
    assert!(before.sent < 1_000, "{before:?}");
    client.clone().call(pull(Cursor::start(site.head().await.log))).await.unwrap();
    let after = client.traffic();
    assert_eq!(after.requests, before.requests + 1);
    assert!(after.received - before.received < 1_000, "{after:?}");
}

#[tokio::test]
async fn a_request_keeps_its_own_id_where_that_is_plain() {
    let site = Site::start().await;
    let ask = |id: &str| send(get(&site, "heads").header("x-request-id", id));
    assert_eq!(ask("trace-7.a_B").await.header("x-request-id"), "trace-7.a_B");
    for odd in ["", "two words", "a;b", &"x".repeat(65), "\"quoted\""] {
        let id = ask(odd).await.header("x-request-id").to_owned();
        assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    }
    let first = send(get(&site, "heads")).await;
    let second = send(get(&site, "heads")).await;
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
}

#[tokio::test]
async fn the_health_route_answers_without_a_token() {
    let site = Site::start().await;
    let reply = send(crate::asking::http().get(site.url("/healthz"))).await;
    assert_eq!((reply.status.as_u16(), &reply.body[..]), (200, &b"ok"[..]));
}

#[tokio::test]
async fn hello_names_versions_and_limits() {
    let site = Site::start().await;
    let Answer { clock, reply: Reply::Hello(hello) } = site.ann().call(Request::Hello).await.unwrap() else {
        panic!("hello is answered by hello")
    };
    assert_eq!(clock, crate::site::NOW);
    assert_eq!((hello.versions, hello.run_versions), (vec![1, 2, 3], vec![1]));
    let heads = site.ann().call(Request::Heads(space(SPACE))).await.unwrap();
    assert!(matches!(heads.reply, Reply::Heads(_)));
}
