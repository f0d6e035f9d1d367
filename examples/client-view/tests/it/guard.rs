//! Local means local. Each test fails without the check that it is about.

use reqwest::StatusCode;
use reqwest::header::{ACCEPT, HOST, ORIGIN};

use crate::world::{Browser, World};

async fn page() -> (World, client_view::Client, Browser) {
    let world = World::new().await;
    let client = world.device("ann", "laptop").await;
    let browser = Browser::open(&client).await;
    (world, client, browser)
}

#[tokio::test]
async fn a_host_that_is_not_loopback_gets_nothing_even_with_the_key() {
    let (_world, client, browser) = page().await;
    let port = browser.origin().rsplit(':').next().unwrap().to_owned();
    for host in
        ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil.example", "192.168.1.7", ""]
    {
        let answer = browser.get("").header(HOST, host).send().await.unwrap();
        assert!(answer.status().is_client_error(), "{host}: {}", answer.status());
        assert!(!answer.text().await.unwrap().contains("laptop"), "{host}");
        let write =
            browser.post("add", "kind=task&title=x").header(HOST, host).header(ORIGIN, format!("http://{host}"));
        assert!(write.send().await.unwrap().status().is_client_error(), "{host}");
    }
    for host in [format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("[::1]:{port}")] {
        assert_eq!(browser.get("").header(HOST, &host).send().await.unwrap().status(), StatusCode::OK, "{host}");
    }
    assert!(client.entries(&Default::default(), 9).await.unwrap().entries.is_empty(), "nothing was written");
}

#[tokio::test]
async fn another_page_can_neither_read_nor_write_even_with_the_key() {
    let (_world, client, browser) = page().await;
    let port: u16 = browser.origin().rsplit(':').next().unwrap().parse().unwrap();
    let other_port = format!("http://127.0.0.1:{}", port ^ 1);
    for origin in ["https://evil.example", "null", &other_port, &browser.origin().replace("http", "https")] {
        let write = || browser.post("add", "kind=task&title=x").header(ORIGIN, origin).header(ACCEPT, "text/plain");
        assert_eq!(write().send().await.unwrap().status(), StatusCode::FORBIDDEN, "{origin}");
        assert_eq!(
            write().header("sec-fetch-site", "cross-site").send().await.unwrap().status(),
            StatusCode::FORBIDDEN
        );
        let read = browser.get("").header(ORIGIN, origin).send().await.unwrap();
        assert_eq!(read.status(), StatusCode::FORBIDDEN, "{origin}");
        assert!(read.headers().get("access-control-allow-origin").is_none());
    }
    let unnamed = browser.post("add", "kind=task&title=x").send().await.unwrap();
    assert_eq!(unnamed.status(), StatusCode::FORBIDDEN, "what writes must say where it comes from");
    assert!(client.entries(&Default::default(), 9).await.unwrap().entries.is_empty(), "nothing was written");
}

#[tokio::test]
async fn a_form_without_a_script_is_taken_from_this_page_alone() {
    let (_world, client, browser) = page().await;
    let form = || browser.post("add", "kind=task&title=x").header(ORIGIN, "null").header(ACCEPT, "text/html");
    let sent = form().header("sec-fetch-site", "same-origin").send().await.unwrap();
    assert_eq!(sent.status(), StatusCode::SEE_OTHER, "and it leads back to the page");
    assert_eq!(form().header("sec-fetch-site", "same-site").send().await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(client.entries(&Default::default(), 9).await.unwrap().entries.len(), 1);
}

#[tokio::test]
async fn without_the_whole_key_there_is_nothing() {
    let (_world, client, browser) = page().await;
    let key = client.key().as_str();
    assert!(key.len() == 32 && browser.address.contains(key));
    let mut wrong = key.to_owned();
    let last = wrong.pop().unwrap();
    wrong.push(if last == '0' { '1' } else { '0' });
    for path in ["", "style.css", "events", "entry/1"] {
        for given in ["", &key[..31], &wrong, &key.to_uppercase().replace(char::is_numeric, "0")] {
            let address = format!("{}/{given}/{path}", browser.origin());
            let answer = reqwest::get(&address).await.unwrap();
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{address}");
        }
    }
    let other = world_key(&_world).await;
    assert_ne!(other, key, "each folder has a key of its own");
}

async fn world_key(world: &World) -> String {
    world.device("bob", "phone").await.key().as_str().to_owned()
}

#[tokio::test]
async fn an_address_that_others_can_reach_is_refused() {
    let (_world, client, _browser) = page().await;
    for address in ["0.0.0.0:0", "[::]:0", "192.168.1.7:8600", "example.org:80", ""] {
        let error = client_view::serve(&client, address).await.unwrap_err().to_string();
        assert!(error.contains("127.0.0.1"), "it says what to take: {error}");
    }
}

#[tokio::test]
async fn a_browser_is_told_to_load_nothing_from_elsewhere_and_to_tell_nobody_the_address() {
    let (_world, client, browser) = page().await;
    for path in ["", "nothing-here"] {
        let answer = browser.get(path).send().await.unwrap();
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!([header("referrer-policy"), header("cache-control")], ["no-referrer", "no-store"]);
        assert_eq!(header("x-content-type-options"), "nosniff");
    }
    drop(client);
}

#[tokio::test]
async fn only_the_page_that_is_named_may_show_it_in_a_frame() {
    let world = World::new().await;
    let mut setup = client_view::Setup::new(world.home("framed"), crate::world::space(), "framed");
    setup.framed_by = Some("http://127.0.0.1:8600".into());
    let client = client_view::Client::open(setup).await.unwrap();
    let browser = Browser::open(&client).await;
    let answer = browser.get("").send().await.unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.ends_with("frame-ancestors http://127.0.0.1:8600"), "{policy}");
}
