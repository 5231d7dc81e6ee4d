"""A stand-in for the Hub's HTTP API on this machine: repositories are dicts of bytes."""
import base64
import contextlib
import hashlib
import http.server
import json
import threading
import urllib.parse


class Hub:
    """repos: {'owner/name': {path: bytes}}; gated: names that answer 403; cut: how many
    downloads break off half-way; fail_commits: how many commits answer 500 first; calls:
    every request line."""

    def __init__(self):
        self.repos, self.gated, self.calls = {}, set(), []
        self.cut = self.fail_after = 0
        self.commits = 0

    def blob(self, raw):
        return hashlib.sha1(b'blob %d\0' % len(raw) + raw).hexdigest()


@contextlib.contextmanager
def serve():
    """Yields (hub, endpoint)."""
    hub = Hub()
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), _handler(hub))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub, f'http://127.0.0.1:{server.server_address[1]}'
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


SHA = 'c' * 40


def _handler(hub):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def log_message(self, *_):
            pass

        def answer(self, code, body=b'', **headers):
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(code)
            for key, value in ({'Content-Length': str(len(raw))} | headers).items():
                self.send_header(key.replace('_', '-'), value)
            self.end_headers()
            if self.command != 'HEAD':
                self.wfile.write(raw)

        def root(self):
            return f'http://{self.headers["Host"]}'

        def repo_and_rest(self, path):
            parts = path.strip('/').split('/')
            name = '/'.join(parts[:2])
            if name in hub.gated:
                self.answer(403, {'error': 'gated'}, X_Error_Code='GatedRepo')
                return None, None
            if name not in hub.repos:
                self.answer(404, {'error': 'none'}, X_Error_Code='RepoNotFound')
                return None, None
            return name, parts[2:]

        def do_GET(self):
            path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
            hub.calls.append(f'{self.command} {path}')
            api = path.removeprefix('/api/models')
            name, rest = self.repo_and_rest(api)
            if name is None:
                return
            files = hub.repos[name]
            if api == path and rest[:1] == ['resolve']:
                self.file(files, '/'.join(rest[2:]))
            elif rest[:1] == ['tree']:
                self.answer(200, [{'type': 'file', 'path': k, 'size': len(v),
                                   'oid': hub.blob(v)}
                                  for k, v in files.items()])
            else:
                self.answer(200, {'id': name, 'sha': SHA, 'private': False, 'tags': [],
                                  'downloads': 0, 'likes': 0, 'siblings': [
                                      {'rfilename': k} for k in files]})

        do_HEAD = do_GET

        def file(self, files, path):
            if path not in files:
                self.answer(404, b'', X_Error_Code='EntryNotFound')
                return
            raw, start = files[path], 0
            asked = self.headers.get('Range', '')
            if asked.startswith('bytes=') and self.command == 'GET':
                start = int(asked[6:].split('-')[0])
            part = raw[start:]
            self.send_response(206 if start else 200)
            self.send_header('ETag', f'"{hub.blob(raw)}"')
            self.send_header('X-Repo-Commit', SHA)
            self.send_header('Accept-Ranges', 'bytes')
            if start:
                self.send_header('Content-Range',
                                 f'bytes {start}-{len(raw) - 1}/{len(raw)}')
            self.send_header('Content-Length', str(len(part)))
            self.end_headers()
            if self.command == 'HEAD':
                return
            if hub.cut and len(part) > 500:
                hub.cut -= 1
                self.wfile.write(part[:len(part) // 2])
                self.wfile.flush()
                self.connection.close()
                self.close_connection = True
                return
            self.wfile.write(part)

        def do_POST(self):
            path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
            hub.calls.append(f'POST {path}')
            raw = self.rfile.read(int(self.headers.get('Content-Length', 0)))
            if path == '/api/repos/create':
                made = json.loads(raw)
                name = f'{made.get("organization") or "me"}/{made["name"]}'
                hub.repos.setdefault(name, {})
                self.answer(200, {'url': f'{self.root()}/{name}', 'name': name})
                return
            if path == '/api/validate-yaml':
                self.answer(200, {'errors': [], 'warnings': []})
                return
            name, rest = self.repo_and_rest(path.removeprefix('/api/models'))
            if name is None:
                return
            if rest[0] == 'preupload':
                self.answer(200, {'files': [{'path': f['path'], 'uploadMode': 'regular',
                                             'shouldIgnore': False}
                                            for f in json.loads(raw)['files']]})
            elif rest[0] == 'commit':
                self.commit(name, raw)

        def commit(self, name, raw):
            if hub.fail_after and hub.commits >= hub.fail_after:
                self.answer(400, {'error': 'the connection was lost'})
                return
            hub.commits += 1
            for line in raw.decode().splitlines():
                held = json.loads(line)
                if held['key'] == 'file':
                    hub.repos[name][held['value']['path']] = base64.b64decode(
                        held['value']['content'])
            self.answer(200, {'success': True, 'commitOid': SHA, 'hookOutput': '',
                              'commitUrl': f'{self.root()}/{name}/commit/{SHA}'})

    return Handler
