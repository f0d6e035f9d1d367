//! The sync router mounted in an application's own axum app, behind the application's own authentication.
//!
//! You will see a device sync under `/sync` with the application's session, and a stranger be turned away.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use syncline::attributes::{Attribute, Attributes};
use syncline::authority::{AllowAll, Principal};
use syncline::{MemoryStorage, MemoryStore, Replica, Service, SpaceId};
use syncline_http::{HttpTransport, RouterOptions, Server, Shutdown, router};

/// The application's own idea of who somebody is. The router takes the principal from here and asks for no token of its own.
async fn session(mut request: Request, next: Next) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (Ok(user), Ok(device)) = ("ann".parse(), "phone".parse()) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    if shown != Some("Bearer session-of-ann") {
        return (StatusCode::UNAUTHORIZED, "please log in").into_response();
    }
    request.extensions_mut().insert(Principal { user, device });
    next.run(request).await
}

#[tokio::main]
#[allow(clippy::print_stdout, reason = "a program")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let storage = Arc::new(MemoryStorage::new(syncline_os::log_id));
    // Roles and the ownership of replicas are the authority's; `AllowAll` grants everything to anyone who is logged in.
    let service = Arc::new(Service::new(storage, Arc::new(AllowAll), Arc::new(syncline_os::wall_clock)));
    let sync = router(service, RouterOptions::default()).layer(middleware::from_fn(session));
    let app = Router::new().route("/", get(|| async { "the application" })).nest("/sync", sync);

    let server = Server::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/sync", server.address());
    let shutdown = Shutdown::new();
    let serving = tokio::spawn(server.serve(app, shutdown.clone()));

    let space = SpaceId::new("notes")?;
    let store = Arc::new(MemoryStore::new(syncline_os::log_id()));
    let stack = Replica::compose(space, store).clock(syncline_os::wall_clock).projection(Attributes);
    let replica = stack.open(syncline_os::replica_id()).await?;
    replica.attributes()?.set(&Attribute::new("note/1", "stars")?, 5).await?;

    let ann = HttpTransport::builder(&url, "session-of-ann").build()?;
    println!("ann pushed {} bundle", replica.sync(&ann).await?.pushed);
    let stranger = HttpTransport::builder(&url, "guess").build()?;
    println!("a stranger is refused: {}", replica.sync(&stranger).await.is_err());

    shutdown.begin();
    serving.await?;
    Ok(())
}
