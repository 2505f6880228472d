//! For machines that watch: `/metrics`, `/livez`, `/readyz`. On an address of its own that is not public.

use std::sync::Arc;
use std::time::Instant;

use actix_web::{HttpResponse, web};
use metrics_exporter_prometheus::PrometheusHandle;
use ringmain_domain::telemetry;

use crate::app::Node;
use crate::metrics::resident_bytes;

/// Routes of the ops listener.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/metrics", web::get().to(scrape))
        .route("/livez", web::get().to(livez))
        .route("/readyz", web::get().to(readyz));
}

async fn scrape(handle: web::Data<PrometheusHandle>, node: web::Data<Arc<Node>>) -> HttpResponse {
    if let Some(bytes) = resident_bytes() {
        // Whole up to 2^53 bytes: no machine has more.
        metrics::gauge!(telemetry::PROCESS_MEMORY).set(bytes as f64);
    }
    if let Ok(rows) = node.store.outbox_len().await {
        metrics::gauge!(telemetry::PUSH_OUTBOX_ITEMS).set(rows as f64);
    }
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(handle.render())
}

/// The process runs and answers. A store that is away is no reason to restart it.
async fn livez() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain").body("alive\n")
}

/// A real commit in the last seconds, and not on the way out.
async fn readyz(node: web::Data<Arc<Node>>) -> HttpResponse {
    if node.is_leaving() {
        return HttpResponse::ServiceUnavailable().content_type("text/plain").body("draining\n");
    }
    let now = Instant::now();
    let age_ms = node.canary.age_ms(now);
    if node.canary.is_ready(now) {
        HttpResponse::Ok().content_type("text/plain").body(format!("ready, last commit {age_ms} ms ago\n"))
    } else {
        HttpResponse::ServiceUnavailable()
            .content_type("text/plain")
            .body(format!("no commit for {age_ms} ms\n"))
    }
}
