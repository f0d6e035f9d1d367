//! Requests that do not read: each gets one clear problem, and changes nothing.

use http::Method;
use syncline::format::codec;
use syncline_conformance::Author;
use syncline_http::BINARY;

use crate::asking::{Raw, get, http, post, post_json, send};
use crate::people::ANN;
use crate::site::{Site, message};

#[tokio::test]
async fn an_unknown_route_is_no_such_route_with_or_without_a_token() {
    let site = Site::start().await;
    for path in ["/", "/v1/", "/v2", "/v1/spaces", "/v1/spaces/notes", "/v1/spaces/notes/heads/more"] {
        let reply = send(http().get(site.url(path))).await;
        reply.problem(404, "unsupported");
    }
}

#[tokio::test]
async fn an_unknown_method_is_told_which_one_to_use() {
    let site = Site::start().await;
    for (method, route, allowed) in [
        (Method::DELETE, "heads", "GET,HEAD"),
        (Method::PATCH, "watch", "GET,HEAD"),
        (Method::GET, "push", "POST"),
        (Method::PUT, "pull", "POST"),
    ] {
        let reply = send(http().request(method, site.route(route))).await;
        reply.problem(405, "unsupported");
        assert_eq!(reply.header("allow"), allowed);
    }
}

#[tokio::test]
async fn a_body_that_does_not_read_is_malformed_and_changes_nothing() {
    let site = Site::start().await;
    let mut ann = Author::new(1);
    let before = site.seed(&mut ann).await;
    let good = codec::encode(&message([ann.write(2)]));
    let mut wrong_run_version = good.clone();
    wrong_run_version[2] = 9;
    let followed = [&good[..], b"x"].concat();
    let truncated = good[..good.len() - 1].to_vec();
    for body in [Vec::new(), b"nonsense".to_vec(), truncated, followed, wrong_run_version, vec![0xfd; 9]] {
        for route in ["push", "pull"] {
            send(post(&site, route, body.clone())).await.problem(400, "malformed");
        }
    }
    for body in
        ["", "{", "[]", "null", r#"{"runs":[{}]}"#, r#"{"runs":[],"more":1}"#, r#"{"runs":7}"#, "{\"runs\":[]}x"]
    {
        send(post_json(&site, "push", body)).await.problem(400, "malformed");
    }
    assert_eq!(site.log().await, before);
}

#[tokio::test]
async fn json_that_nests_too_deep_is_malformed() {
    let site = Site::start().await;
    for levels in [33, 1_000, 1_000_000] {
        let deep = format!(r#"{{"have":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        let document = send(post_json(&site, "pull", deep)).await.problem(400, "malformed");
        assert!(document["detail"].as_str().unwrap().contains("deeper than 32"), "{document}");
    }
}

#[tokio::test]
async fn a_name_that_is_no_space_is_malformed() {
    let site = Site::start().await;
    for name in ["", "Notes", "a%2Fb", "%F0%9F%98%80", "%ff", "-a", &"a".repeat(65)] {
        let reply = send(http().get(site.url(&format!("/v1/spaces/{name}/heads"))).bearer_auth(ANN)).await;
        reply.problem(400, "malformed");
    }
}

#[tokio::test]
async fn a_watch_without_a_place_is_malformed() {
    let site = Site::start().await;
    for query in ["", "?", "?log=7&position=1", "?position=1", "?log=00112233445566778899aabbccddeeff&position=-1"] {
        send(get(&site, &format!("watch{query}"))).await.problem(400, "malformed");
    }
}

#[tokio::test]
async fn an_unknown_content_type_or_version_is_unsupported() {
    let site = Site::start().await;
    let body = codec::encode(&message([Author::new(1).write(1)]));
    for name in ["", "text/plain", "application/vnd.syncline.v2", "application/octet-stream", "multipart/form-data"] {
        let request = http().post(site.route("push")).bearer_auth(ANN).header("content-type", name);
        send(request.body(body.clone())).await.problem(415, "unsupported");
    }
    send(http().post(site.route("push")).bearer_auth(ANN).body(body)).await.problem(415, "unsupported");
    assert_eq!(site.head().await.position.get(), 0);
}

#[tokio::test]
async fn an_unknown_or_second_coding_is_unsupported_and_told_which_is_known() {
    let site = Site::start().await;
    let body = codec::encode(&message([Author::new(1).write(1)]));
    for codings in [&["gzip"][..], &["br"], &["zstd, zstd"], &["zstd", "zstd"], &["identity", "gzip"], &[""]] {
        let mut request = post(&site, "push", body.clone());
        for coding in codings {
            request = request.header("content-encoding", *coding);
        }
        let reply = send(request).await;
        reply.problem(415, "unsupported");
        assert_eq!(reply.header("accept-encoding"), "zstd");
    }
    assert_eq!(site.head().await.position.get(), 0);
}

#[tokio::test]
async fn an_answer_in_no_form_that_is_accepted_is_not_acceptable() {
    let site = Site::start().await;
    for accept in ["text/html", "application/json;q=0", "image/*, application/vnd.syncline.v2", "nonsense", ""] {
        send(get(&site, "heads").header("accept", accept)).await.problem(406, "unsupported");
        let place = format!("watch?log={}&position=0", site.head().await.log);
        send(get(&site, &place).header("accept", accept)).await.problem(406, "unsupported");
    }
}

#[tokio::test]
async fn a_body_that_is_cut_off_changes_nothing() {
    let site = Site::start().await;
    let body = codec::encode(&message([Author::new(1).write(1)]));
    let mut raw = Raw::connect(site.address).await;
    let head = format!(
        "POST /v1/spaces/notes/push HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {ANN}\r\ncontent-type: {BINARY}\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    raw.say(head).await;
    raw.say(&body[..body.len() - 1]).await;
    drop(raw);
    // The server is still there, and has stored nothing.
    send(get(&site, "heads")).await;
    assert_eq!(site.head().await.position.get(), 0);
}

#[tokio::test]
async fn what_is_not_http_at_all_is_cut() {
    let site = Site::start().await;
    for (noise, answer) in [
        ("\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\r\n\r\n", "HTTP/1.1 400"),
        ("GET /v1 HTTP/9.9\r\n\r\n", "HTTP/1.1 400"),
        ("POST /v1 HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", "HTTP/1.1 400"),
        ("POST /v1 HTTP/1.1\r\ncontent-length: -1\r\n\r\n", "HTTP/1.1 400"),
        ("POST /v1 HTTP/1.1\r\ntransfer-encoding: chunked, identity\r\n\r\n", "HTTP/1.1 400"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ""),
    ] {
        let mut raw = Raw::connect(site.address).await;
        raw.say(noise).await;
        let heard = raw.hear_to_the_end().await;
        assert!(heard.starts_with(answer), "{noise:?}: {heard:?}");
        assert!(answer.is_empty() || heard.contains("urn:syncline:problem:malformed"), "{noise:?}: {heard:?}");
    }
}
