"""A browser whose user says yes to everything."""

import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar

SECONDS = 60


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def authorize(url):
    """What a browser brings back from an authorization URL: the parameters of the redirect to the client."""
    browser = urllib.request.build_opener(_NoRedirect, urllib.request.HTTPCookieProcessor(CookieJar()))
    origin = urllib.parse.urlsplit(url)
    while urllib.parse.urlsplit(url)[:2] == origin[:2]:
        try:
            with browser.open(url, timeout=SECONDS) as page:
                raise RuntimeError(f"{url} shows a page: {page.read(500).decode()}")
        except urllib.error.HTTPError as answer:
            with answer:
                if not 300 <= answer.code < 400:
                    raise RuntimeError(f"{url}: {answer.code} {answer.read(500).decode()}") from None
                url = urllib.parse.urljoin(url, answer.headers["Location"])
    brought = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
    if "error" in brought:
        raise RuntimeError(f"not authorized: {brought}")
    return brought
