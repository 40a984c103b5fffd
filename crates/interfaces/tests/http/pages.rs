//! The API page, the way to it, and the headers that protect browsers.

use crate::api::Api;

#[tokio::test]
async fn the_root_leads_to_the_page_and_the_page_needs_no_other_host() {
    let api = Api::default();
    let root = api.get("/").await;
    assert_eq!((root.status, root.header("location")), (303, Some("/docs/")));
    let page = api.get("/docs/").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").is_some_and(|t| t.starts_with("text/html")));
    let html = page.text();
    assert!(!html.contains("http://") && !html.contains("https://"), "{html}");
    // What the policy forbids would not run.
    assert!(page.header("content-security-policy").is_some_and(|p| p.contains("script-src 'self'")));
    for script in html.split("<script").skip(1) {
        assert!(script.split('>').next().is_some_and(|tag| tag.contains("src=")), "inline script: {script}");
    }
    let references = html.split(['"', '\'']).filter(|r| r.starts_with("./"));
    let mut seen = 0;
    for file in references {
        let answer = api.get(&format!("/docs/{}", file.trim_start_matches("./"))).await;
        assert_eq!(answer.status, 200, "{file}");
        seen += 1;
    }
    assert!(seen >= 3, "{html}");
    assert!(api.get("/docs/swagger-initializer.js").await.text().contains("/openapi.json"));
    api.get("/docs/nothing.js").await.problem(404, "not-found");
}

#[tokio::test]
async fn answers_protect_browsers_and_are_not_shared_with_other_sites() {
    let api = Api::default();
    for path in ["/activities", "/nowhere", "/docs/", "/health/live"] {
        let answer = api.get(path).await;
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
        assert!(answer.header("content-security-policy").is_some_and(|p| p.contains("frame-ancestors 'none'")));
        assert!(answer.header("x-request-id").is_some_and(|id| id.len() == 36), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
        assert!(answer.header("cache-control").is_some(), "{path}");
    }
}
