//! As much of a browser as a test needs: a cookie, forms with the page's token, and the Origin header.

use ringmain_domain::access::AccessRole;
use serde_json::json;

use crate::api::client::{Reply, Stream};
use crate::api::rig::Rig;

/// Somebody who is signed in.
pub(crate) struct Browser<'a> {
    rig: &'a Rig,
    pub(crate) cookie: String,
}

/// A text as one value of a form.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}

/// Fields as a form sends them.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

/// A request without a cookie.
pub(crate) async fn plain(
    rig: &Rig,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: Option<&str>,
) -> Reply {
    let mut all = headers.to_vec();
    if body.is_some() {
        all.push(("Content-Type", "application/x-www-form-urlencoded"));
    }
    Stream::open(rig.address, method, target, &all, body.map(str::as_bytes)).await.finish().await
}

/// Sends the sign-in form.
pub(crate) async fn try_sign_in(rig: &Rig, token: &str, next: &str) -> Reply {
    plain(rig, "POST", "/sign-in", &[], Some(&form(&[("token", token), ("next", next)]))).await
}

/// The cookie an answer sets, as it is sent back.
pub(crate) fn cookie_of(reply: &Reply) -> String {
    reply.header("set-cookie").unwrap().split(';').next().unwrap().to_owned()
}

impl<'a> Browser<'a> {
    pub(crate) async fn sign_in(rig: &'a Rig, role: AccessRole) -> Self {
        let reply = try_sign_in(rig, rig.token(role), "/").await;
        assert_eq!(reply.status, 303, "{reply:?}");
        Self { rig, cookie: cookie_of(&reply) }
    }

    pub(crate) async fn request(
        &self,
        method: &str,
        target: &str,
        more: &[(&str, &str)],
        body: Option<&str>,
    ) -> Reply {
        let mut headers = vec![("Cookie", self.cookie.as_str())];
        headers.extend_from_slice(more);
        plain(self.rig, method, target, &headers, body).await
    }

    pub(crate) async fn get(&self, target: &str) -> Reply {
        self.request("GET", target, &[], None).await
    }

    /// A page that must be there.
    #[track_caller]
    pub(crate) fn page(&self, target: &str) -> impl Future<Output = String> {
        let request = self.get(target);
        async move {
            let reply = request.await;
            assert_eq!(reply.status, 200, "{reply:?}");
            assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
            reply.body
        }
    }

    /// The token every form of this person carries.
    pub(crate) async fn form_token(&self) -> String {
        let page = self.page("/sessions").await;
        let (_, rest) = page.split_once("name=\"form_token\" value=\"").expect("a form");
        rest.split('"').next().unwrap().to_owned()
    }

    /// Sends a form of a page.
    pub(crate) async fn post(&self, target: &str, fields: &[(&str, &str)]) -> Reply {
        self.post_with(target, fields, &[]).await
    }

    /// Sends a form of a page, with more headers.
    pub(crate) async fn post_with(
        &self,
        target: &str,
        fields: &[(&str, &str)],
        more: &[(&str, &str)],
    ) -> Reply {
        let token = self.form_token().await;
        let all = [fields, &[("form_token", token.as_str())]].concat();
        self.request("POST", target, more, Some(&form(&all))).await
    }
}

/// A house with one of everything, whose texts all try to be markup.
pub(crate) async fn hostile_house() -> Rig {
    use ringmain_domain::event::DomainEvent;
    use ringmain_domain::id::{ConnectorId, EvseId};
    use ringmain_domain::location::ConnectorStatus;
    use ringmain_domain::report::{Boot, StationFault};
    use ringmain_domain::time::Timestamp;
    use ringmain_store::messages::RecordedMessage;

    const EVIL: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";
    let rig = Rig::start().await;
    let location = json!({"id": "depot-1", "name": EVIL, "address": "<b>street</b>", "city": "<i>city</i>", "country": "DEU",
        "latitude": "50.9413", "longitude": "6.9583", "time_zone": "Europe/Berlin"});
    assert_eq!(rig.post("/locations", location).await.status, 201);
    let tariff = json!({"id": "<std>", "name": EVIL, "currency": "EUR", "elements": [{"components": [
        {"dimension": "energy", "price": "0.50", "tax_percent": "19", "step_size": 100}]}]});
    let made = rig.post("/tariffs", tariff).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(
        rig.post("/tokens", json!({"uid": "<b>&\"tok", "label": EVIL, "group_uid": "<g>"})).await.status,
        201
    );
    let station = rig.add_station("CS-<b>&\"'1", 2).await;
    let path = format!("/charging-stations/{}", encoded(station.id.as_str()));
    let change = json!({"name": EVIL, "location_id": "depot-1", "tariff_id": "<std>"});
    let changed = rig.send("PATCH", &path, Some(change)).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let fault = StationFault { code: EVIL.into(), text: Some(EVIL.into()), vendor_code: Some(EVIL.into()) };
    let boot = Boot {
        vendor: EVIL.into(),
        model: EVIL.into(),
        serial: Some(EVIL.into()),
        firmware: Some(EVIL.into()),
        ..Boot::default()
    };
    let status = DomainEvent::StatusChanged {
        evse: EvseId(2),
        connector: ConnectorId(1),
        status: ConnectorStatus::Faulted,
        fault: Some(fault),
    };
    rig.append(&station, vec![DomainEvent::StationBooted(boot), status]).await;
    rig.add_session(&station, "<i>&T0", 0, true).await;
    rig.add_session(&station, "<i>&T1", 120, false).await;
    let frame = |text: &str| RecordedMessage {
        station: station.id.clone(),
        at: Timestamp::from_millis(1),
        inbound: true,
        kind: EVIL.into(),
        action: Some(EVIL.into()),
        message_id: EVIL.into(),
        frame: text.into(),
    };
    let frames = [frame(EVIL), frame("[2,\"</pre><script>\",\"Heartbeat\",{}]")];
    rig.house.store.record_messages(&frames).await.unwrap();
    rig
}
