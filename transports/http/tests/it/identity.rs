//! Who asks: tokens, grants, origins.

use http::header::AUTHORIZATION;
use syncline::format::codec;
use syncline::protocol::{Code, Push, Request};
use syncline::{Transport, TransportError};
use syncline_conformance::{Author, space};
use syncline_http::BINARY;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::asking::{get, http, post, send};
use crate::people::{ANN, BEN, BROKEN, EVE, EXPIRED, SPACE};
use crate::site::{Site, message, push, pushed};

#[tokio::test]
async fn a_request_without_a_valid_token_is_unauthorized_on_every_route() {
    let site = Site::start().await;
    let before = site.seed(&mut Author::new(1)).await;
    let place = format!("/v1/spaces/{SPACE}/watch?log={}&position=0", before.log);
    let heads = format!("/v1/spaces/{SPACE}/heads");
    for path in ["/v1", &heads, &place, "/v1/spaces/Not A Space/heads"] {
        let reply = send(http().get(site.url(path))).await;
        reply.problem(401, "unauthorized");
        assert_eq!(reply.header("www-authenticate"), "Bearer");
    }
    for value in ["Bearer slt_wrong", &format!("Bearer {EXPIRED}"), &format!("bearer  {EXPIRED}")] {
        let reply = send(http().get(site.route("heads")).header(AUTHORIZATION, value)).await;
        reply.problem(401, "unauthorized");
        assert_eq!(reply.header("www-authenticate"), "Bearer error=\"invalid_token\"");
    }
    for value in [&format!("Basic {ANN}"), ANN, "Bearer", ""] {
        let reply = send(http().get(site.route("heads")).header(AUTHORIZATION, value)).await;
        reply.problem(401, "unauthorized");
    }
    assert_eq!(site.log().await, before);
}

#[tokio::test]
async fn a_token_counts_once_and_in_its_header_only() {
    let site = Site::start().await;
    let twice = get(&site, "heads").header(AUTHORIZATION, format!("Bearer {ANN}"));
    send(twice).await.problem(401, "unauthorized");
    send(http().get(site.url(&format!("/v1?access_token={ANN}&token={ANN}")))).await.problem(401, "unauthorized");
    assert_eq!(send(get(&site, "heads")).await.status, 200);
}

#[tokio::test]
async fn the_token_is_looked_at_before_the_body() {
    let site = Site::start().await;
    let large = vec![7; 32 * 1024 * 1024];
    let request = http().post(site.route("push")).header("content-type", "text/plain").body(large);
    send(request).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn a_space_of_others_looks_like_one_that_does_not_exist() {
    let site = Site::start().await;
    let mut ann = Author::new(1);
    let before = site.seed(&mut ann).await;
    let body = codec::encode(&message([ann.write(1)]));
    for (token, name) in [(EVE, SPACE), (ANN, "elsewhere"), (ANN, "nowhere")] {
        let url = |route: &str| site.url(&format!("/v1/spaces/{name}/{route}"));
        let heads = send(http().get(url("heads")).bearer_auth(token)).await.problem(404, "unknown-space");
        let place = format!("watch?log={}&position=0", before.log);
        send(http().get(url(&place)).bearer_auth(token)).await.problem(404, "unknown-space");
        let push = http().post(url("push")).bearer_auth(token).header("content-type", BINARY).body(body.clone());
        send(push).await.problem(404, "unknown-space");
        let detail = heads["detail"].as_str().unwrap();
        assert!(detail.contains(name) && !detail.contains(&before.log.to_string()), "{detail}");
    }
    assert_eq!(site.log().await, before);
}

#[tokio::test]
async fn a_reader_pulls_and_may_not_push() {
    let site = Site::start().await;
    let before = site.seed(&mut Author::new(1)).await;
    let ben = site.client(BEN).build().unwrap();
    ben.call(Request::Heads(space(SPACE))).await.unwrap();
    let refused = ben.call(push([Author::new(2).write(1)])).await.unwrap_err();
    assert!(
        matches!(refused, TransportError::Refused(problem) if problem.code == Code::Forbidden { origins: Vec::new() })
    );
    let body = codec::encode(&message([Author::new(2).write(1)]));
    send(post(&site, "push", body.clone()).header("x", "y")).await;
    let request = http().post(site.route("push")).bearer_auth(BEN).header("content-type", BINARY).body(body);
    send(request).await.problem(403, "forbidden");
    assert_eq!(site.log().await.heads.get(Author::new(1).origin()), before.heads.get(Author::new(1).origin()));
}

#[tokio::test]
async fn another_devices_origin_is_forbidden() {
    let site = Site::start().await;
    let mut theirs = Author::new(2);
    // The origin belongs to somebody else's device since it was first pushed.
    let owner = crate::people::person("eve");
    site.service.authority().claim(&owner, theirs.origin()).await.unwrap();
    let before = site.seed(&mut Author::new(1)).await;
    let mixed = Push { runs: vec![Author::new(3).write(1).run().clone(), theirs.write(1).run().clone()] };
    send(post(&site, "push", codec::encode(&mixed))).await.problem(403, "forbidden");
    assert_eq!(site.log().await, before);
}

#[tokio::test]
async fn a_push_claims_the_replica_that_it_names_and_no_other() {
    let site = Site::start().await;
    let (mut own, mut other) = (Author::new(1), Author::new(2));
    let message = message([own.write(1), other.write(1)]);
    pushed(site.ann().call(Request::Push(space(SPACE), Some(own.origin()), message)).await);
    let owners = site.service.authority().owners(&[own.origin(), other.origin()]).await.unwrap();
    assert_eq!(owners, [(own.origin(), crate::people::person("ann"))].into());
}

#[tokio::test]
async fn what_is_no_replica_is_not_taken_for_the_senders() {
    let site = Site::start().await;
    let before = site.log().await;
    let zero = "0".repeat(32);
    for own in ["1", "nobody", "", &zero, &"g".repeat(32)] {
        let body = codec::encode(&message([Author::new(1).write(1)]));
        send(post(&site, &format!("push?own={own}"), body)).await.problem(400, "malformed");
    }
    assert_eq!(site.log().await, before);
}

/// Sends the head of a request that waits for leave to send its body, and answers the first line that comes back.
async fn first_line(site: &Site, token: &str, path: &str) -> String {
    let mut socket = TcpStream::connect(site.address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Type: {BINARY}\r\n\
         Content-Length: 9000000\r\nExpect: 100-continue\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut line = String::new();
    BufReader::new(socket).read_line(&mut line).await.unwrap();
    line.trim().to_owned()
}

#[tokio::test]
async fn the_role_is_asked_before_a_body_is_taken() {
    let site = Site::start().await;
    let path = |space: &str, route: &str| format!("/v1/spaces/{space}/{route}");
    let chunk = format!("snapshots/{}/chunks/0", "7".repeat(64));
    for (token, space, route, expected) in [
        (BEN, SPACE, "push", "HTTP/1.1 403 Forbidden"),
        (EVE, SPACE, "push", "HTTP/1.1 404 Not Found"),
        (EVE, SPACE, "pull", "HTTP/1.1 404 Not Found"),
        (ANN, "nowhere", "push", "HTTP/1.1 404 Not Found"),
        (ANN, SPACE, "push?own=1", "HTTP/1.1 400 Bad Request"),
        (BEN, SPACE, "snapshots", "HTTP/1.1 403 Forbidden"),
        (EVE, SPACE, "snapshots", "HTTP/1.1 404 Not Found"),
        (BEN, SPACE, &chunk, "HTTP/1.1 403 Forbidden"),
        (ANN, SPACE, "snapshots/7/chunks/0", "HTTP/1.1 400 Bad Request"),
        (ANN, SPACE, "snapshots", "HTTP/1.1 100 Continue"),
        (ANN, SPACE, &chunk, "HTTP/1.1 100 Continue"),
        (ANN, SPACE, "push", "HTTP/1.1 100 Continue"),
        (BEN, SPACE, "pull", "HTTP/1.1 100 Continue"),
    ] {
        assert_eq!(first_line(&site, token, &path(space, route)).await, expected, "{token} {space} {route}");
    }
}

#[tokio::test]
async fn accounts_that_fail_are_the_servers_fault_and_say_nothing_else() {
    let site = Site::start().await;
    let reply = send(http().get(site.route("heads")).bearer_auth(BROKEN)).await;
    let document = reply.problem(500, "internal");
    assert!(!document.to_string().contains("disk"), "{document}");
}

#[tokio::test]
async fn a_revoked_token_is_refused_from_the_next_request_on() {
    let site = Site::start().await;
    let ann = site.ann();
    pushed(ann.call(push([Author::new(1).write(1)])).await);
    site.people.revoke_token(ANN);
    let refused = ann.call(Request::Hello).await.unwrap_err();
    assert!(matches!(refused, TransportError::Refused(problem) if problem.code == Code::Unauthorized));
}
