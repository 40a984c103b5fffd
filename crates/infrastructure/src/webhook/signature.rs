use activelog_domain::webhook::SigningSecret;
use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The `webhook-signature` header: by each secret `v1,` and the base64 of the HMAC-SHA256 of `id.timestamp.body`, separated by spaces.
/// `None` if there is no secret.
pub(super) fn signatures(id: &str, timestamp: i64, body: &[u8], secrets: &[SigningSecret]) -> Option<String> {
    let all: Option<Vec<String>> = secrets.iter().map(|secret| signature(id, timestamp, body, secret)).collect();
    all.filter(|all| !all.is_empty()).map(|all| all.join(" "))
}

fn signature(id: &str, timestamp: i64, body: &[u8], secret: &SigningSecret) -> Option<String> {
    // Keys of any length are taken.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_bytes()).ok()?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Some(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn secret(text: &str) -> SigningSecret {
        SigningSecret::parse(text).expect("a secret")
    }

    /// The vector that the specification's own libraries are tested with.
    #[test]
    fn it_is_the_specifications() {
        let signed = signatures(ID, AT, BODY, &[secret(SECRET)]);
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn the_specifications_library_signs_alike() {
        for (text, body) in [(SECRET, &br#"{"a":"\u00fc"}"#[..]), ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", b"")] {
            let theirs =
                standardwebhooks::Webhook::new(text).expect("a secret").sign(ID, AT, body).expect("a signature");
            assert_eq!(signatures(ID, AT, body, &[secret(text)]), Some(theirs));
        }
    }

    #[test]
    fn each_secret_signs_the_newest_first() {
        let newer = secret("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD");
        let both = signatures(ID, AT, BODY, &[newer.clone(), secret(SECRET)]).expect("signatures");
        let single = |secret| signatures(ID, AT, BODY, &[secret]).expect("a signature");
        assert_eq!(both, format!("{} {}", single(newer), single(secret(SECRET))));
        assert_eq!(signatures(ID, AT, BODY, &[]), None);
    }
}
