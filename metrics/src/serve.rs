//! The HTTP server: one thread, a few connections, two paths.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;

use crate::board::Board;
use crate::classic::from_open_metrics;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Scrapers at one time; more wait for one of these to be done.
const CONNECTIONS: usize = 8;

/// Answers scrapes until the process ends, and gives the address that it listens on.
///
/// # Errors
/// When the address cannot be listened on.
pub fn serve(address: SocketAddr, board: Board) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new()
        .name("metrics".to_owned())
        .spawn(move || runtime.block_on(accept(listener, board)))?;
    Ok(bound)
}

async fn accept(listener: TcpListener, board: Board) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, perhaps: a scrape that fails is tried again by its scraper.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        let board = board.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| {
                let response = answer(&request, &board);
                async move { Ok::<_, Infallible>(response) }
            });
            // A scraper that breaks off harms nobody, and one that says nothing is cut off.
            let _ = http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), answer)
                .await;
            drop(place);
        });
    }
}

fn answer(request: &Request<Incoming>, board: &Board) -> Response<Full<Bytes>> {
    if request.method() != Method::GET {
        return text(StatusCode::METHOD_NOT_ALLOWED, CLASSIC, "only GET\n".to_owned());
    }
    if request.uri().path() != "/metrics" {
        return text(StatusCode::NOT_FOUND, CLASSIC, "the metrics are at /metrics\n".to_owned());
    }
    let accepted = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok());
    let metrics = board.open_metrics();
    if accepted.is_some_and(|accepted| accepted.contains("application/openmetrics-text")) {
        text(StatusCode::OK, OPEN_METRICS, metrics)
    } else {
        text(StatusCode::OK, CLASSIC, from_open_metrics(&metrics))
    }
}

fn text(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}
