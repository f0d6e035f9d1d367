//! The router below another application's path, with that application's own authentication.

use axum::Router;
use axum::extract::Request as HttpRequest;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use syncline::Transport;
use syncline::TransportError;
use syncline::protocol::{Code, Request};
use syncline_conformance::{Author, space};
use syncline_http::{HttpTransport, RouterOptions, router};
use tokio::net::TcpListener;

use crate::asking::{http, send};
use crate::people::{ANN, person};
use crate::site::{Site, push, pushed};

/// Knows sessions of its own, and no tokens.
async fn session(mut request: HttpRequest, next: Next) -> Response {
    let session = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let name = match session {
        Some("Bearer session-1") => "ann",
        Some("Bearer session-2") => "ben",
        _ => return (StatusCode::UNAUTHORIZED, "log in first").into_response(),
    };
    request.extensions_mut().insert(person(name));
    next.run(request).await
}

/// An application with routes of its own, served by its own means. Gives the address of its sync routes.
async fn application(site: &Site) -> String {
    let sync = router(site.service.clone(), RouterOptions::default()).layer(from_fn(session));
    let app = Router::new()
        .route("/", axum::routing::get(async || "home"))
        .nest("/tenants/{tenant}/sync", sync)
        .fallback(async || (StatusCode::NOT_FOUND, "nothing here"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

#[tokio::test]
async fn a_mounted_router_serves_those_whom_the_application_knows() {
    let site = Site::start().await;
    let url = format!("{}/tenants/seven/sync", application(&site).await);
    let client = |session: &str| HttpTransport::builder(&url, session).attempts(1).build().unwrap();
    pushed(client("session-1").call(push([Author::new(1).write(2)])).await);
    assert_eq!(site.head().await.position.get(), 2);

    let ben = client("session-2");
    ben.call(Request::Heads(space("notes"))).await.unwrap();
    let refused = ben.call(push([Author::new(2).write(1)])).await.unwrap_err();
    assert!(matches!(refused, TransportError::Refused(problem) if matches!(problem.code, Code::Forbidden { .. })));
    // The application's own answer is no problem document, and a token of the service's counts for nothing.
    let stranger = client(ANN).call(Request::Hello).await.unwrap_err();
    assert!(matches!(stranger, TransportError::Foreign { .. }), "{stranger}");
}

#[tokio::test]
async fn a_mounted_router_watches() {
    use futures_util::StreamExt;
    let site = Site::start().await;
    let url = format!("{}/tenants/seven/sync/", application(&site).await);
    let client = HttpTransport::builder(&url, "session-1").attempts(1).build().unwrap();
    let start = site.head().await;
    let mut notices = client.watch(&space("notes"), start).await.unwrap();
    assert_eq!(notices.next().await.unwrap().unwrap().head, start);
    site.people.revoke_grant("ann");
    let end = notices.next().await.unwrap().unwrap_err();
    assert!(matches!(end, TransportError::Refused(problem) if problem.code == Code::UnknownSpace));
}

#[tokio::test]
async fn problems_stay_within_the_mounted_path() {
    let site = Site::start().await;
    let url = application(&site).await;
    let session = |path: &str| http().get(format!("{url}{path}")).bearer_auth("session-1");
    send(session("/tenants/seven/sync/v1/nothing")).await.problem(404, "unsupported");
    let elsewhere = send(session("/nothing")).await;
    assert_eq!((elsewhere.status.as_u16(), &elsewhere.body[..]), (404, &b"nothing here"[..]));
    let unknown = send(session("/tenants/seven/sync/v1/spaces/nowhere/heads")).await;
    unknown.problem(404, "unknown-space");
}
