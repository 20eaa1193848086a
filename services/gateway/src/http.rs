//! The listener: connections and time limits by `runner`, routes by axum.

use crate::problem::Problem;
use axum::{Router, body::Body, response::IntoResponse};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, StatusCode, body::Incoming};
use runner::{Client, Listening, Service};
use std::time::Duration;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

/// Time limit of a request: of its body, its route and its response.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves until the service stops, then finishes the requests under way.
pub(crate) async fn serve(listener: TcpListener, listening: Listening, router: Router, service: &Service) {
    let respond = move |request: Request<Incoming>, client: Client| {
        let router = router.clone();
        async move { respond(router, request, client).await }
    };
    runner::serve(listener, listening, service.metrics.clone(), service.stop.clone(), respond).await;
}

async fn respond(router: Router, request: Request<Incoming>, client: Client) -> Response<Full<Bytes>> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(client);
    let responding = async {
        let response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
        complete(response).await
    };
    if let Ok(response) = tokio::time::timeout(REQUEST_TIMEOUT, responding).await {
        return response;
    }
    let late = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", "the request took too long");
    complete(late.into_response()).await
}

/// Collects a response: every route's has a limit, so that it is sent with its length.
async fn complete(response: Response<Body>) -> Response<Full<Bytes>> {
    let (parts, body) = response.into_parts();
    // Bodies of routes are in memory already and can't fail.
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    Response::from_parts(parts, Full::new(body))
}
