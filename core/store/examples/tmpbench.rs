//! tmp
#![allow(clippy::all, missing_docs)]
#[path = "../tests/it/make.rs"]
#[allow(dead_code)]
mod make;
use make::*;
use ringmain_store::store::*;
use std::time::Instant;
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let url = std::env::args().nth(1).unwrap();
    let size: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    let lanes: usize = std::env::args().nth(3).unwrap().parse().unwrap();
    let store = Store::open(&url, StoreSettings { default_tariff: Some(tariff_id("D")), ..Default::default() }).await.unwrap();
    store.put_tariff(&tariff("D", &[(ringmain_domain::tariff::Dimension::Energy, "0.30")])).await.unwrap();
    let run = uuid::Uuid::new_v4().as_fields().0;
    let start = Instant::now();
    let rounds = 20u32;
    let mut tasks = vec![];
    for lane in 0..lanes {
        let names: Vec<&'static str> = (0..size).map(|n| -> &'static str { Box::leak(format!("B{run}-{lane}-{n}").into_boxed_str()) }).collect();
        for n in &names { if n.ends_with("0") { store.insert_station(&station(n)).await.unwrap(); } }
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            for seq in 0..rounds {
                let facts: Vec<_> = names.iter().map(|n| {
                    let m = message(n, "tx", seq, seq as i64 * MINUTE).register(seq as i64 * 100).token("Card");
                    if seq == rounds - 1 { m.ended().fact() } else { m.fact() }
                }).collect();
                store.append(&facts).await.unwrap();
            }
        }));
    }
    for t in tasks { t.await.unwrap(); }
    let total = size * lanes * rounds as usize;
    println!("{size}x{lanes}: {total} facts {:.0}/s", total as f64 / start.elapsed().as_secs_f64());
}
