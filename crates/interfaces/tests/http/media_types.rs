//! Bodies that are said to be what cannot be read here.

use axum::{body::Body, http::Method};

use crate::api::{Api, USER, request, run};

#[tokio::test]
async fn other_media_types_are_415() {
    let api = Api::default();
    for media in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonx")] {
        let mut post = request(Method::POST, "/activities");
        if let Some(media) = media {
            post = post.header("content-type", media);
        }
        let answer = api.send(post.body(Body::from(run().to_string())).expect("a request")).await;
        answer.problem(415, "unsupported-media-type");
    }
    let patch = request(Method::PATCH, &format!("/activities/{USER}")).header("if-match", "*");
    let answer = api.send(patch.body(Body::from("{}")).expect("a request")).await;
    answer.problem(415, "unsupported-media-type");
    assert!(answer.header("accept-patch").is_some_and(|v| v.contains("merge-patch")));
}

#[tokio::test]
async fn other_charsets_and_encodings_are_415() {
    let api = Api::default();
    let send = async |media: &str, encodings: &[&str]| {
        let mut post = request(Method::POST, "/activities").header("content-type", media);
        for encoding in encodings {
            post = post.header("content-encoding", *encoding);
        }
        api.send(post.body(Body::from(run().to_string())).expect("a request")).await
    };
    for media in ["application/json; charset=utf-8", "Application/JSON;Charset=\"UTF-8\"", "application/json; v=1"] {
        assert_eq!(send(media, &["identity"]).await.status, 201, "{media}");
    }
    for media in ["application/json; charset=latin1", "application/json; v=1; charset=\"utf-16\""] {
        let problem = send(media, &[]).await.problem(415, "unsupported-media-type");
        assert!(problem["detail"].as_str().is_some_and(|text| text.contains("UTF-8")), "{problem}");
    }
    for encodings in [&["gzip"][..], &["identity, br"], &["identity", "deflate"]] {
        let answer = send("application/json", encodings).await;
        answer.problem(415, "unsupported-media-type");
        assert_eq!(answer.header("accept-encoding"), Some("identity"));
    }
    let patch = request(Method::PATCH, &format!("/activities/{USER}")).header("if-match", "*");
    let patch = patch.header("content-type", "application/merge-patch+json").header("content-encoding", "gzip");
    api.send(patch.body(Body::from("{}")).expect("a request")).await.problem(415, "unsupported-media-type");
}
