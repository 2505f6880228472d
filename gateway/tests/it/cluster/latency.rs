//! What it costs that a command is given to another node than its station's. Figures are printed, not judged: `docs/performance.md`.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{booted, with_cluster};
use crate::rig::api::Api;
use crate::rig::station::Station;

/// Commands each way.
const COMMANDS: usize = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_through_another_node_costs_little() {
    let (cluster, _redis) = with_cluster!(2, &[]);
    cluster.api(0).register("CS-1").await;
    let mut station = booted(&cluster.nodes[1], "CS-1").await;
    let answering = tokio::spawn(async move {
        // Warm, then measured, each way.
        for _ in 0..2 * (COMMANDS + 20) {
            answer(&mut station).await;
        }
    });
    let mut figures = Vec::new();
    for (way, node) in [("at its own node", 1), ("through another node", 0)] {
        let api = cluster.api(node);
        for _ in 0..20 {
            time(&api).await;
        }
        let mut taken = Vec::with_capacity(COMMANDS);
        for _ in 0..COMMANDS {
            taken.push(time(&api).await);
        }
        taken.sort_unstable();
        let (p50, p99) = (taken[COMMANDS / 2], taken[COMMANDS * 99 / 100]);
        println!("a command {way}: p50 {p50:?}, p99 {p99:?} of {COMMANDS}");
        figures.push((p50, p99));
    }
    let added = |own: Duration, other: Duration| other.as_secs_f64().mul_add(1e3, -(own.as_secs_f64() * 1e3));
    println!(
        "added by the other node: p50 {:.2} ms, p99 {:.2} ms",
        added(figures[0].0, figures[1].0),
        added(figures[0].1, figures[1].1)
    );
    answering.await.unwrap();
}

async fn answer(station: &mut Station) {
    let (id, _) = station.ordered("TriggerMessage").await;
    station.answer(&id, &json!({"status": "Accepted"})).await;
}

async fn time(api: &Api) -> Duration {
    let begun = Instant::now();
    let ended = api.command("CS-1", &json!({"command": "trigger", "message": "heartbeat"})).await;
    assert_eq!(ended["outcome"], "accepted", "{ended}");
    begun.elapsed()
}
