//! Signed meter values: every curve, every spelling of a key, and every way for a record to be no record.
#![expect(clippy::string_slice, reason = "the texts that are cut here are ASCII")]

mod vectors;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P256K1_SHA256_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use ringmain_certs::ocmf::key::{KEY_BYTES_MAX, KeyError, MeterKey};
use ringmain_certs::ocmf::signature::Curve;
use ringmain_certs::ocmf::xml::{XmlContext, XmlValue, transparency_xml};
use ringmain_certs::ocmf::{PresentedKey, Reason, Verification, verify, verify_record};
use ringmain_domain::meter::{SignatureVerdict, SignedValue};
use ringmain_domain::ocmf::transaction::check as check_transaction;
use ringmain_domain::ocmf::{RECORD_BYTES_MAX, ReadError, Record};

use vectors::{PAYLOAD, SIGNED};

/// A meter: a key that signs what it is told to.
struct Meter {
    key: EcdsaKeyPair,
    method: &'static str,
}

impl Meter {
    fn on(algorithm: &'static EcdsaSigningAlgorithm, method: &'static str) -> Self {
        Self { key: EcdsaKeyPair::generate(algorithm).expect("a key"), method }
    }

    fn p256() -> Self {
        Self::on(&ECDSA_P256_SHA256_ASN1_SIGNING, "ECDSA-secp256r1-SHA256")
    }

    fn k1() -> Self {
        Self::on(&ECDSA_P256K1_SHA256_ASN1_SIGNING, "ECDSA-secp256k1-SHA256")
    }

    fn sign(&self, payload: &str) -> String {
        let signature = self.key.sign(&SystemRandom::new(), payload.as_bytes()).expect("a signature");
        format!(r#"OCMF|{payload}|{{"SA":"{}","SD":"{}"}}"#, self.method, hex::encode(signature))
    }

    fn point(&self) -> Vec<u8> {
        self.key.public_key().as_ref().to_vec()
    }

    fn public(&self) -> MeterKey {
        MeterKey::read(&hex::encode(self.point())).expect("a key")
    }
}

fn sent(data: &str, public_key: &str) -> SignedValue {
    SignedValue {
        verdict: None,
        data: data.into(),
        encoding: "OCMF".into(),
        method: Box::default(),
        public_key: public_key.into(),
    }
}

/// The record `text` against the registered key, with none presented.
fn judged(text: &str, key: &MeterKey) -> SignatureVerdict {
    verify(&sent(text, ""), Some(key)).verdict
}

/// A record with this payload and a signature that fits nothing.
fn unsigned(payload: &str) -> String {
    format!(r#"OCMF|{payload}|{{"SD":"00"}}"#)
}

#[test]
fn every_curve_has_its_verdict() {
    for (name, key, signature) in SIGNED {
        let method = format!("ECDSA-{name}-SHA256");
        let text = format!(r#"OCMF|{PAYLOAD}|{{"SA":"{method}","SD":"{signature}"}}"#);
        let key = MeterKey::read(key).expect("a key");
        let found = verify(&sent(&text, ""), Some(&key));
        if name == "secp192r1" {
            let reason = Reason::UnsupportedMethod { name: method.into() };
            assert_eq!(found, Verification { verdict: SignatureVerdict::Unsupported, reason });
            continue;
        }
        assert_eq!(found.verdict, SignatureVerdict::Valid, "{name}");
        assert_eq!(found.reason, Reason::RegisteredKeyFits);
        let changed = text.replace("2965.101", "2965.102");
        assert_eq!(judged(&changed, &key), SignatureVerdict::Invalid, "{name}");
        let (head, last) = text.rsplit_once(signature).expect("signed");
        let broken = format!("{head}{}{last}", hex::encode(flipped(&hex::decode(signature).expect("hex"))));
        assert_eq!(judged(&broken, &key), SignatureVerdict::Invalid, "{name}");
    }
}

/// The last bit turned.
fn flipped(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    *bytes.last_mut().expect("not empty") ^= 1;
    bytes
}

#[test]
fn every_way_to_send_a_record_reads_alike() {
    let meter = Meter::p256();
    // White space and order of the payload are the meter's; they are signed and stay.
    let spaced = "{ \"RD\" : [ {\"TM\":\"2026-03-01T08:00:00,000+0100 S\",\r\n\t\"TX\":\"B\", \"RV\":1.0} ],\n  \"PG\":\"T1\" }";
    let text = meter.sign(spaced);
    let (head, signature) = text.rsplit_once("\"SD\":\"").expect("signed");
    let der = hex::decode(signature.trim_end_matches("\"}")).expect("hex");
    let ways = [
        text.clone(),
        format!("\n  {text}\r\n"),
        STANDARD.encode(&text),
        STANDARD_NO_PAD.encode(&text),
        URL_SAFE_NO_PAD.encode(&text),
        hex::encode_upper(&text),
        format!("{head}\"SE\":\"base64\",\"SD\":\"{}\"}}", STANDARD.encode(&der))
            .replace(",\"SE\"", ",\n\"SE\""),
        format!("{head}\"SE\":\"HEX\",\"SM\":\"application/x-der\",\"SD\":\"{}\"}}", hex::encode_upper(&der)),
        text.replace("\"SA\":\"ECDSA-secp256r1-SHA256\",", ""),
        text.replace("ECDSA-secp256r1-SHA256", "ecdsa-SECP256R1-sha256"),
    ];
    for way in ways {
        let record = Record::read(&way).expect("a record");
        assert_eq!(record.signed(), spaced);
        assert_eq!(
            verify_record(&record, Some(&meter.public()), "").verdict,
            SignatureVerdict::Valid,
            "{way}"
        );
    }
    // The same payload written again, as a JSON library would, is another text.
    let rewritten = text.replace(spaced, &spaced.replace([' ', '\r', '\n', '\t'], ""));
    assert_eq!(judged(&rewritten, &meter.public()), SignatureVerdict::Invalid);
}

#[test]
fn a_bare_pair_of_numbers_is_a_signature_too() {
    let meter = Meter::on(&ECDSA_P256_SHA256_FIXED_SIGNING, "ECDSA-secp256r1-SHA256");
    // So many that short numbers and leading zeros come up.
    for page in 0..300 {
        let text = meter.sign(&PAYLOAD.replace("T41", &format!("T{page}")));
        assert_eq!(judged(&text, &meter.public()), SignatureVerdict::Valid, "{text}");
        assert_eq!(judged(&text.replace("2965", "2966"), &meter.public()), SignatureVerdict::Invalid);
    }
}

#[test]
fn only_the_registered_key_decides() {
    use PresentedKey::{Absent, Fails, Fits, Unreadable};
    let (meter, other) = (Meter::p256(), Meter::p256());
    let text = meter.sign(PAYLOAD);
    let (own, foreign) = (hex::encode(meter.point()), hex::encode(other.point()));
    let check = |registered: Option<&Meter>, presented: &str, verdict: SignatureVerdict, reason: Reason| {
        let key = registered.map(Meter::public);
        assert_eq!(verify(&sent(&text, presented), key.as_ref()), Verification { verdict, reason });
    };
    let (valid, invalid) = (SignatureVerdict::Valid, SignatureVerdict::Invalid);
    let unknown = SignatureVerdict::UnknownKey;
    check(Some(&meter), "", valid, Reason::RegisteredKeyFits);
    check(Some(&meter), &foreign, valid, Reason::RegisteredKeyFits);
    check(Some(&other), "", invalid, Reason::RegisteredKeyFails { presented: Absent });
    check(Some(&other), &own, invalid, Reason::RegisteredKeyFails { presented: Fits });
    check(Some(&other), &foreign, invalid, Reason::RegisteredKeyFails { presented: Fails });
    check(None, " ", unknown, Reason::NoRegisteredKey { presented: Absent });
    check(None, &own, unknown, Reason::NoRegisteredKey { presented: Fits });
    check(None, &foreign, unknown, Reason::NoRegisteredKey { presented: Fails });
    check(None, "?", unknown, Reason::NoRegisteredKey { presented: Unreadable(KeyError::Spelling) });
}

#[test]
fn the_method_names_the_curve() {
    let meter = Meter::k1();
    let text = meter.sign(PAYLOAD);
    assert_eq!(judged(&text, &meter.public()), SignatureVerdict::Valid);
    let spki = MeterKey::read(&meter.public().to_spki_hex(Curve::Secp256k1)).expect("a key");
    assert_eq!(spki.curve(), Some(Curve::Secp256k1));
    assert_eq!(judged(&text, &spki), SignatureVerdict::Valid);
    // Without SA the default holds, as in the driver's software, whatever the key says.
    let unnamed = text.replace("\"SA\":\"ECDSA-secp256k1-SHA256\",", "");
    let reason = Reason::RegisteredKeyOnOtherCurve { key: Curve::Secp256k1, signature: Curve::Secp256r1 };
    let found = verify(&sent(&unnamed, ""), Some(&spki));
    assert_eq!(found, Verification { verdict: SignatureVerdict::Invalid, reason });
    for (from, to) in [
        ("ECDSA-secp256k1-SHA256", "ECDSA-secp256k1-SHA512"),
        ("ECDSA-secp256k1-SHA256", "ECDSA-secp192k1-SHA256"),
        ("ECDSA-secp256k1-SHA256", "RSA-2048-SHA256"),
        ("\"SD\"", "\"SE\":\"base32\",\"SD\""),
        ("\"SD\"", "\"SM\":\"application/pgp\",\"SD\""),
    ] {
        assert_eq!(judged(&text.replace(from, to), &spki), SignatureVerdict::Unsupported, "{to}");
    }
    let long = text.replace("secp256k1", &"ä".repeat(1000));
    let Reason::UnsupportedMethod { name } = verify(&sent(&long, ""), Some(&spki)).reason else {
        panic!("a verdict on an unknown curve")
    };
    assert_eq!(name.chars().count(), 64);
}

#[test]
fn a_key_is_read_in_every_spelling() {
    let (_, hex, _) = SIGNED[0];
    let der = hex::decode(hex).expect("hex");
    let (base64, point) = (STANDARD.encode(&der), &der[26..]);
    let printed: String =
        hex.as_bytes().chunks(4).map(|four| format!("{} ", String::from_utf8_lossy(four))).collect();
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----\n",
        &base64[..64],
        &base64[64..]
    );
    let oca = format!("oca:base16:asn1:{hex}");
    let named = [
        hex.to_owned(),
        hex.to_uppercase(),
        printed.clone(),
        printed.trim().replace(' ', ":"),
        base64.clone(),
        format!("{}\n{}", &base64[..40], &base64[40..]),
        base64.trim_end_matches('=').to_owned(),
        pem.clone(),
        oca.clone(),
        format!("oca:base16:asn1:{}", printed.replace(' ', "_")),
        format!("oca:base64:asn1:{base64}"),
        STANDARD.encode(&oca),
        STANDARD.encode(hex),
        STANDARD.encode(&pem),
        STANDARD.encode(STANDARD.encode(&oca)),
    ];
    for text in named {
        let key = MeterKey::read(&text);
        assert_eq!(key.as_ref().map(MeterKey::curve), Ok(Some(Curve::Secp256r1)), "{text}");
        assert_eq!(key.expect("a key").point(), point, "{text}");
    }
    let compressed = [&[0x02 | (point[64] & 1)], &point[1..33]].concat();
    for bytes in [point.to_vec(), point[1..].to_vec(), compressed] {
        for text in [hex::encode(&bytes), STANDARD.encode(&bytes), STANDARD.encode(hex::encode(&bytes))] {
            let key = MeterKey::read(&text).expect("a key");
            assert_eq!(key.curve(), None, "{text}");
            let (_, _, signature) = SIGNED[0];
            let record = format!(r#"OCMF|{PAYLOAD}|{{"SD":"{signature}"}}"#);
            assert_eq!(judged(&record, &key), SignatureVerdict::Valid, "{text}");
        }
    }
    for (name, hex, _) in SIGNED {
        let key = MeterKey::read(hex).expect("a key");
        assert_eq!(key.to_spki_hex(Curve::Secp256r1), hex.to_uppercase(), "{name}");
    }
}

#[test]
fn what_is_no_key_says_why() {
    let check = |text: &str, error: KeyError| assert_eq!(MeterKey::read(text), Err(error), "{text}");
    let (_, hex, _) = SIGNED[0];
    check("", KeyError::Spelling);
    check("no key", KeyError::Spelling);
    check("00", KeyError::Shape);
    check(&hex[..60], KeyError::Shape);
    check(&format!("{hex}00"), KeyError::Shape);
    check("oca:base16:xml:00", KeyError::OcaForm);
    check("oca:base32:asn1:00", KeyError::OcaForm);
    check("oca:base64:asn1:?", KeyError::Spelling);
    check(&format!("{}0", &hex[..hex.len() - 1]), KeyError::OffCurve { curve: Curve::Secp256r1 });
    // P-521 and RSA are public keys, but of no meter.
    check(
        &hex.replace("2a8648ce3d030107", "2a8648ce3d030106"),
        KeyError::Curve { oid: "1.2.840.10045.3.1.6".into() },
    );
    let rsa = "301b300d06092a864886f70d0101010500030a003007020200c1020103";
    check(rsa, KeyError::Curve { oid: "1.2.840.113549.1.1.1".into() });
    let padded = |length: usize| format!("{hex}{}", " ".repeat(length - hex.len()));
    assert!(MeterKey::read(&padded(KEY_BYTES_MAX)).is_ok());
    check(&padded(KEY_BYTES_MAX + 1), KeyError::TooLong);
    let wrapped = (0..6).fold(format!("oca:base16:asn1:{hex}"), |text, _| STANDARD.encode(text));
    assert!(MeterKey::read(&wrapped).is_err());
}

#[test]
fn what_is_no_record_says_why() {
    let check = |text: &str, error: ReadError| {
        let found = verify(&sent(text, ""), None);
        assert_eq!(found.verdict, SignatureVerdict::Unreadable, "{text}");
        assert_eq!(found.reason, Reason::Unreadable(error), "{text}");
    };
    let reading = r#"{"RD":[{"TX":"B"}]}"#;
    check("", ReadError::NotOcmf);
    check("OCM", ReadError::NotOcmf);
    check("ocmf|{}|{}", ReadError::NotOcmf);
    check(&STANDARD.encode("EDL|{}|{}"), ReadError::NotOcmf);
    check(&STANDARD.encode(b"OCMF|\xFF|{}"), ReadError::NotOcmf);
    check("OCMF|", ReadError::Sections { found: 2 });
    check(&format!("OCMF|{reading}"), ReadError::Sections { found: 2 });
    check(&format!("{}|", unsigned(reading)), ReadError::Sections { found: 4 });
    check(&unsigned(r#"{"RD":[]}"#), ReadError::NoReadings);
    check(&format!(r#"OCMF|{reading}|{{"SD":"0"}}"#), ReadError::SignatureText { encoding: "hex" });
    check(&format!(r#"OCMF|{reading}|{{"SD":""}}"#), ReadError::SignatureText { encoding: "hex" });
    check(
        &format!(r#"OCMF|{reading}|{{"SE":"base64","SD":"?"}}"#),
        ReadError::SignatureText { encoding: "base64" },
    );
    for payload in [
        "",
        "[]",
        "{}",
        "7",
        r#"{"RD":7}"#,
        r#"{"RD":[["2026-03-01T08:00:00,000+0100 S","B",1]]}"#,
        r#"{"RD":[{"TX":"B"}"#,
        r#"{"RD":[{"TX":"B"}],"MS":1,}"#,
        r#"{"MS":"A","MS":"B","RD":[{"TX":"B"}]}"#,
        r#"{"RD":[{"RV":1,"RV":2}]}"#,
    ] {
        let found = Record::read(&unsigned(payload));
        assert!(matches!(found, Err(ReadError::Json { .. })), "{payload}: {found:?}");
    }
    // Cut anywhere, a record is no record.
    let whole = Meter::p256().sign(PAYLOAD);
    for length in 0..whole.len() {
        let cut = Record::read(&whole[..length]);
        assert!(cut.is_err(), "{length}: {cut:?}");
    }
}

#[test]
fn a_record_of_the_full_length_is_read_and_one_byte_more_is_not() {
    let meter = Meter::p256();
    let padded = |length: usize| {
        let room = length - meter.sign(PAYLOAD).len();
        (0..100)
            .map(|_| meter.sign(&format!("{}{PAYLOAD}", " ".repeat(room))))
            .find(|text| text.len() == length)
            .expect("signatures differ in length by a byte or two")
    };
    let full = padded(RECORD_BYTES_MAX);
    assert_eq!(judged(&full, &meter.public()), SignatureVerdict::Valid);
    assert_eq!(Record::read(&format!("{full} ")), Err(ReadError::TooLong));
    // The deepest nesting a text of this length can have.
    let deep = unsigned(&format!(r#"{{"X":{},"RD":[]}}"#, "[".repeat(RECORD_BYTES_MAX - 200)));
    assert!(matches!(Record::read(&deep), Err(ReadError::Json { .. })));
}

#[test]
fn the_file_for_the_driver_holds_the_records_as_signed() {
    let (_, key, signature) = SIGNED[0];
    let key = MeterKey::read(key).expect("a key");
    let record =
        |payload: &str| Record::read(&format!(r#"OCMF|{payload}|{{"SD":"{signature}"}}"#)).expect("a record");
    let plain = record(PAYLOAD);
    let awkward = record("{\r\n\"TT\":\"A < B & \\\"C\\\" > D\",\"RD\":[{\"TX\":\"E\"}]}");
    let uncarried = record("{\"TT\":\"\u{FFFE}\",\"RD\":[{\"TX\":\"E\"}]}");
    let value = |context, record| XmlValue { transaction_number: 15060, context, record };
    let values = [
        value(XmlContext::Begin, &plain),
        value(XmlContext::End, &awkward),
        value(XmlContext::End, &uncarried),
    ];
    let xml = transparency_xml(&values, Some(&key));
    let spki = key.to_spki_hex(Curve::Secp256r1);
    let element = |context: &str, encoding: &str, data: &str| {
        format!(
            "  <value transactionId=\"15060\" context=\"Transaction.{context}\">\n    <signedData format=\"OCMF\" \
             encoding=\"{encoding}\">{data}</signedData>\n    <publicKey encoding=\"hex\">{spki}</publicKey>\n  </value>\n"
        )
    };
    let escaped = format!(
        "OCMF|{{&#13;\n\"TT\":\"A &lt; B &amp; \\\"C\\\" &gt; D\",\"RD\":[{{\"TX\":\"E\"}}]}}|{{\"SD\":\"{signature}\"}}"
    );
    let expected = [
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<values>\n".to_owned(),
        element("Begin", "plain", plain.text()),
        element("End", "plain", &escaped),
        element("End", "base64", &STANDARD.encode(uncarried.text())),
        "</values>\n".to_owned(),
    ];
    assert_eq!(xml, expected.concat());
    assert!(!transparency_xml(&values, None).contains("publicKey"));
}

proptest! {
    #[test]
    fn reading_never_panics(text in ".*", payload in "\\PC*", time in ".*", value in "[-+0-9.eE]{0,40}") {
        _ = Record::read(&text);
        _ = MeterKey::read(&text);
        let reading = serde_json::json!({"TM": time, "RV": value, "RI": text, "RU": "kWh", "TX": "B"});
        let document = serde_json::json!({"PG": payload, "MS": text, "RD": [reading]}).to_string();
        for payload in [payload, document] {
            if let Ok(record) = Record::read(&unsigned(&payload)) {
                _ = verify_record(&record, None, &text);
                _ = check_transaction(&[&record]);
            }
        }
    }
}
