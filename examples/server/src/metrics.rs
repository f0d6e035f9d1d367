//! What the server counts, in the Prometheus text format.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use syncline_http::Load;

mod body;
mod metered;

pub(crate) use metered::Metered;

use body::Counted;

/// The route whose answers are streams.
const WATCH: &str = "/v1/spaces/{space}/watch";

/// Labels of a request: the route's pattern and not its path, so that they are few.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    status: u16,
}

/// Labels of a latency.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

/// Labels of a stored bundle.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kept {
    /// `stored`, or `refused` if only the header was kept.
    outcome: &'static str,
}

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    latencies: Family<Route, Histogram, fn() -> Histogram>,
    bytes_in: Counter,
    bytes_out: Counter,
    watchers: Gauge,
    connections: Gauge,
    bundles: Family<Kept, Counter>,
    bundle_bytes: Counter,
    commits: Histogram,
}

/// From one millisecond to half a minute.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
}

impl Metrics {
    /// All at zero, but for the log lines that were lost, which the log counts.
    pub(crate) fn new(lost_lines: Counter) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("syncline"),
            requests: Family::default(),
            latencies: Family::new_with_constructor(seconds),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
            watchers: Gauge::default(),
            connections: Gauge::default(),
            bundles: Family::default(),
            bundle_bytes: Counter::default(),
            commits: seconds(),
        };
        let Self {
            registry,
            requests,
            latencies,
            bytes_in,
            bytes_out,
            watchers,
            connections,
            bundles,
            bundle_bytes,
            commits,
        } = &mut metrics;
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The running build", build);
        registry.register("log_lines_lost", "Log lines that could not be written, or not in time", lost_lines);
        registry.register("http_requests", "Requests answered", requests.clone());
        let help = "Time until an answer began";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, latencies.clone());
        let help = "Bytes of request bodies, as they were sent";
        registry.register_with_unit("http_received", help, Unit::Bytes, bytes_in.clone());
        let help = "Bytes of response bodies, as they were sent";
        registry.register_with_unit("http_sent", help, Unit::Bytes, bytes_out.clone());
        registry.register("watchers", "Open watch streams", watchers.clone());
        registry.register("connections", "Open connections, those of watch streams included", connections.clone());
        registry.register("bundles", "New bundles taken from pushes", bundles.clone());
        let help = "Bytes of the runs of new bundles, as they are stored";
        registry.register_with_unit("bundles", help, Unit::Bytes, bundle_bytes.clone());
        let help = "Time of a durable commit of pushed bundles";
        registry.register_with_unit("commit_duration", help, Unit::Seconds, commits.clone());
        metrics
    }

    /// Counts what these routes do, and answers for `/metrics` next to them.
    pub(crate) fn around(self: &Arc<Self>, routes: Router, load: Load) -> Router {
        let routes = routes.layer(from_fn_with_state(self.clone(), count));
        routes.merge(
            Router::new()
                .route("/metrics", get(show).fallback(syncline_http::no_such_method))
                .with_state((self.clone(), load)),
        )
    }
}

async fn show(State((metrics, load)): State<(Arc<Metrics>, Load)>) -> Response {
    metrics.connections.set(i64::try_from(load.open()).unwrap_or(i64::MAX));
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &metrics.registry) {
        Ok(()) => {
            ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
        }
        Err(std::fmt::Error) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn count(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let received = metrics.bytes_in.clone();
    let response = next.run(request.map(|body| Body::new(Counted::new(body, received)))).await;
    let status = response.status();
    metrics.latencies.get_or_create(&Route { route: route.clone() }).observe(started.elapsed().as_secs_f64());
    let watches = route == WATCH && status.is_success();
    metrics.requests.get_or_create(&Answered { route, status: status.as_u16() }).inc();
    let sent = metrics.bytes_out.clone();
    response.map(|body| {
        let counted = Counted::new(body, sent);
        Body::new(if watches { counted.open_in(metrics.watchers.clone()) } else { counted })
    })
}
