//! One payload signed on every curve of OCMF, by an OpenSSL-based library with keys made for this file.
//!
//! The library under test signed none of these, so both sides having the same mistake is not a pass.

/// What all of them sign.
pub(crate) const PAYLOAD: &str = concat!(
    r#"{"FV":"1.4","GI":"Ringmain Bench","GS":"RB-GW-1","PG":"T41","MV":"Bench","MM":"EM-3","#,
    r#""MS":"RB-M-7","IS":false,"IT":"NONE","RD":[{"TM":"2026-03-01T08:00:00,000+0100 S","TX":"B","#,
    r#""RV":2935.600,"RI":"01-00:01.08.00*FF","RU":"kWh","RT":"AC","EF":"","ST":"G"},"#,
    r#"{"TM":"2026-03-01T09:30:00,000+0100 S","TX":"E","RV":2965.101}]}"#,
);

/// The curve as the method names it, the key as `SubjectPublicKeyInfo` in hex, the signature in DER in hex.
pub(crate) const SIGNED: [(&str, &str, &str); 7] = [
    (
        "secp256r1",
        concat!(
            "3059301306072a8648ce3d020106082a8648ce3d03010703420004e518c4c67bd41eba4d58d5b5e2c6cb75e104793e6f",
            "7b2ed8f3d6de20e26a2ab8fadbbbe56f68788041a6e53bc28b71e451ad4d8cdd8f4f4bf492cdfbf6bf978f",
        ),
        concat!(
            "3045022100ea75eed05073142b7bb8ac4e2fd02248cfd762c779525145b08180da321272ce0220217e89d755f74a32bd",
            "d804a0910b75f7e29fb52f16094e109304c995d83b953f",
        ),
    ),
    (
        "secp384r1",
        concat!(
            "3076301006072a8648ce3d020106052b8104002203620004f9dfe803fe136707126a04756928f9c9d5f473cf36775953",
            "31b4a475fd4acff170f9b0851eecc9d43c4d9460bf10fb841c7f8c5a4d1557f002ec44386353138487adb63846a9f0c9",
            "75cdaca5bf3921f1cdbaa101b1277da4e6a6a7d89652fd04",
        ),
        concat!(
            "3066023100c75a8346499da458c4f231e7e5f908625c9eb0e2d4bc753481c0113654dff087a803f5321e06766aebd3f9",
            "74c104b4d7023100f34c1622ee9005c3f8d51b7266343eebd84114bad362977f282b91604568733c3bb7da3d4d744682",
            "76e76f33e34e2647",
        ),
    ),
    (
        "secp256k1",
        concat!(
            "3056301006072a8648ce3d020106052b8104000a03420004e309ddebab89ade4e16ae07dacbcf403bc3724863fb720ea",
            "9ac36930d13f3929e3d54b1a6e1784471e4976735a16eb152a5aa688fff8827072ab8ebc017fd51e",
        ),
        concat!(
            "3046022100d811700ad5a5c1fd16142641cd3d0a19c9c1866473761eefe950de784ed39b3e022100e5ee7be9612fc440",
            "1d8738f92808eeeea7017d6efa2ae4ccfcaf862539c79ec4",
        ),
    ),
    (
        "brainpool256r1",
        concat!(
            "305a301406072a8648ce3d020106092b2403030208010107034200041c2475ea8034f4480408f279daafad7c1d0e84ac",
            "ba64a246ed0099566ca55a778ef573bff328a630b9d4516cf23206414df791322aed995e6131552f8c592ee6",
        ),
        concat!(
            "3045022069ffcc77222758a7b0bb52914c89068fc2b02476315f6f3bcc54b6167fb090de022100881d889531e24ac09e",
            "4aab0e25dc8aa651370b03bc16eaa16e70ade11ec83f3b",
        ),
    ),
    (
        "brainpoolP256r1",
        concat!(
            "305a301406072a8648ce3d020106092b2403030208010107034200046cd53a3df225a075b0882b742aa6f1204bba1cef",
            "635ba233d5f15541fe505a877c428ee7c57c8f49bd9e59f154173c08863f41cd0a77bdf254d2a75f19f9ff77",
        ),
        concat!(
            "30460221009cdba78a676581338ea10060ac8f422a4a89e7751cc8df0d48dc61c295c027bc0221008d9798778ff69494",
            "192d360c9d2e8021f5ead1346d881f680a51f0ed60fac6ae",
        ),
    ),
    (
        "brainpool384r1",
        concat!(
            "307a301406072a8648ce3d020106092b240303020801010b0362000456a000168241ba96beb4ba2578d150357806cb3f",
            "67899a71be98d7c2eb7bc1f858fe0d9e8a9d5d0c4372d83e0e6f83301b7c9d5db24086ed8199b0590348e82cdd3c7cec",
            "170086cb99f95a4a0380e080bdd241f79308a15f68f5e86f2567d53d",
        ),
        concat!(
            "3065023063a83a16973970c726b60024259d6e67ff75cba3260544bbc0ce84a6f4fec6504a0119aefaa6c73e8d75f6e5",
            "3ce1980c0231008567e3470731ebd476cd17830e37e35f3423d5eddc08f4f55674dd047207d4704b5ea1504498d9681c",
            "637f22812201a5",
        ),
    ),
    (
        "secp192r1",
        concat!(
            "3049301306072a8648ce3d020106082a8648ce3d0301010332000408cc1669006295bba94a0ac3e617db23deb03bf7b4",
            "a66e9d9e35b6ad392811f74f5b70126fb2a26e9e554c97aed78bde",
        ),
        concat!(
            "303402180e0c8f3f79bf0835f5925256124ecf40ab10345e1d23529502187a089cc6203dc54b28887254e56de8e80669",
            "cb62f1e24a6c",
        ),
    ),
];
