"""The path of a live-migration request through Nova, from the WSGI application to the conductor's manager.

Read it from top to bottom to follow the request; a pause goes from the compute API directly to the bus. Each
banner names a file of Nova 34.0.0. Names, parameters, schemas, rules and messages are Nova's; the code is ours. Nothing
here depends on the hook that may watch it. Nova keeps its database and its message bus in process-wide globals; here
they are passed in (see the wiring at the end).

The landmarks, in the order in which a request reaches them:

    URLMap                                          which application
    PIPELINES, from CORS to NovaKeystoneContext     the filters
    Resource.__call__, action_peek                  from the URL to a method
    MigrateServerController._migrate_live           the controller
    API.get, API.live_migrate                       the compute API, behind its guards:
                                                    check_instance_lock, check_instance_state
    ComputeTaskAPI.live_migrate_instance            the conductor's API: cast or call
    ComputeTaskRPCAPI, RPCClient                    the message
    ComputeTaskManager.live_migrate_instance        the conductor receives it
"""

import contextlib
import functools
import logging
import pathlib
import re
import time
from urllib.parse import urlencode
from urllib.request import parse_http_list

import microversion_parse
import paste.urlmap
import routes
import routes.middleware
import webob
import webob.dec
import webob.exc
from oslo_config import cfg
from oslo_middleware import cors, http_proxy_to_wsgi, request_id, sizelimit
from oslo_serialization import jsonutils
from oslo_utils import strutils, timeutils, uuidutils

from explorer import bus, exception, objects, queries
from explorer.libraries import jsonschema
from explorer.libraries import oslo_messaging as messaging
from explorer.objects import NovaObjectSerializer, RequestContext, scatter_gather_single_cell, set_target_cell

LOG = logging.getLogger(__name__)

# ------------------------------------------------------------------------------------- nova/api/openstack/urlmap.py

SUPPORTED_CONTENT_TYPES = ('application/json', 'application/vnd.openstack.compute+json')


_QUOTED = r'"[^"\\]*(?:\\.[^"\\]*)*"'
_OPTION = re.compile(rf';\s*([^\s;=]+|{_QUOTED})\s*(?:=\s*([^;]+|{_QUOTED}))?\s*')


def _unquote(text):
    return text[1:-1] if text[:1] == text[-1:] == '"' else text


def parse_options_header(value):
    """Split 'a/b; q=1' into ('a/b', {'q': '1'})."""
    found = [(_unquote(key), _unquote(text)) for key, text in _OPTION.findall(f';{value}')]
    return (found[0][0], dict(found[1:])) if found else ('', {})


class URLMap(paste.urlmap.URLMap):
    """Choose the application by the version in the path (nova.api.openstack.urlmap.URLMap).

    Left out: applications bound to a domain, and Nova's crash on some malformed headers.
    """

    def _match(self, path_info):
        for (_domain, app_url), app in self.applications:
            if app_url.endswith('/+'):  # something must follow the slash
                if path_info.startswith(app_url[:-1]) and len(path_info) >= len(app_url):
                    return app, app_url[:-2]
            elif path_info == app_url or path_info.startswith(app_url + '/'):
                return app, app_url
        return None, None

    @staticmethod
    def _match_mask(mask, content_type):
        if '*' not in mask:
            return mask == content_type
        return mask == '*/*' or mask[:-2] == content_type.split('/')[0]

    def _accept_strategy(self, environ, supported_content_types):
        """Return the content type that the client prefers, and the parameters that came with it."""
        accepted = [parse_options_header(_unquote(item)) for item in parse_http_list(environ.get('HTTP_ACCEPT', ''))]
        best_quality, best_mask, best = -1, '*/*', (None, {})
        for content_type in supported_content_types:
            for mask, params in accepted:
                try:
                    quality = float(params.get('q', 1))
                except ValueError:
                    continue
                worse = quality == best_quality and best_mask.count('*') <= mask.count('*')
                if not (quality < best_quality or worse) and self._match_mask(mask, content_type):
                    best_quality, best_mask, best = quality, mask, (content_type, params)
        return best

    def __call__(self, environ, start_response):
        path_info = self.normalize_url(environ['PATH_INFO'], False)[1]
        app, app_url = self._match(path_info)
        is_document = path_info in ('/', f'{app_url}/')
        content_type, params = self._accept_strategy(
            environ, (*SUPPORTED_CONTENT_TYPES, *(['application/atom+xml'] if is_document else [])))
        suffix = 'application/' + path_info.rpartition('.')[2]
        if suffix in SUPPORTED_CONTENT_TYPES:
            content_type = suffix
        environ['nova.best_content_type'] = content_type or 'application/json'
        if not app_url:  # no version in the path: a header may name it
            for options in (parse_options_header(environ.get('CONTENT_TYPE', ''))[1], params):
                if 'version' in options:
                    app, app_url = self._match(f'/v{options["version"]}')
                    environ['SCRIPT_NAME'] += app_url
                    return app(environ, start_response)
        environ['SCRIPT_NAME'] += app_url
        environ['PATH_INFO'] = path_info[len(app_url):]
        return app(environ, start_response)


# ------------------------------------------------------------ etc/nova/api-paste.ini: the filters, outermost first

PIPELINES = {
    '/': ('cors', 'faultwrap', 'request_log', 'http_proxy_to_wsgi', 'oscomputeversionapp'),
    '/v2': ('cors', 'compute_req_id', 'faultwrap', 'request_log', 'http_proxy_to_wsgi', 'legacy_v2_compatible',
            'oscomputeversionapp_v2'),
    '/v2.1': ('cors', 'compute_req_id', 'faultwrap', 'request_log', 'http_proxy_to_wsgi', 'oscomputeversionapp_v2'),
    '/v2/+': ('cors', 'http_proxy_to_wsgi', 'compute_req_id', 'faultwrap', 'request_log', 'sizelimit', 'osprofiler',
              'authtoken', 'keystonecontext', 'legacy_v2_compatible', 'osapi_compute_app_v21'),
    '/v2.1/+': ('cors', 'http_proxy_to_wsgi', 'compute_req_id', 'faultwrap', 'request_log', 'sizelimit', 'osprofiler',
                'authtoken', 'keystonecontext', 'osapi_compute_app_v21'),
}

# ----------------------------------------------------------------- nova/api/wsgi.py and nova/api/openstack/wsgi.py

DEFAULT_API_VERSION = '2.1'
_MIN_API_VERSION, _MAX_API_VERSION = '2.1', '2.104'
API_VERSION_REQUEST_HEADER = 'OpenStack-API-Version'
LEGACY_API_VERSION_REQUEST_HEADER = 'X-OpenStack-Nova-API-Version'


@functools.total_ordering
class APIVersionRequest:
    """A comparable microversion; without a string, the null version (nova.api.openstack.api_version_request)."""

    def __init__(self, version_string=None):
        match = re.match(r'^([1-9]\d*)\.([1-9]\d*|0)$', version_string or '0.0')
        if version_string is not None and not match:
            raise exception.InvalidAPIVersionString(version=version_string)
        self.ver_major, self.ver_minor = (int(part) for part in match.groups()) if match else (0, 0)

    def __eq__(self, other):
        return (self.ver_major, self.ver_minor) == (other.ver_major, other.ver_minor)

    def __lt__(self, other):
        return (self.ver_major, self.ver_minor) < (other.ver_major, other.ver_minor)

    def is_null(self):
        return self.ver_major == 0

    def matches(self, min_version, max_version):
        return (min_version.is_null() or min_version <= self) and (max_version.is_null() or self <= max_version)

    def get_string(self):
        return f'{self.ver_major}.{self.ver_minor}'


def is_supported(req, version):
    """Return whether the request's microversion is *version* or later."""
    return req.api_version_request >= APIVersionRequest(version)


class Request(webob.Request):
    """A request that holds its microversion and its content types (nova.api.openstack.wsgi.Request)."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if not hasattr(self, 'api_version_request'):
            self.api_version_request = APIVersionRequest()

    def best_match_content_type(self):
        """Return the content type of the response."""
        if 'nova.best_content_type' not in self.environ:
            offers = self.accept.acceptable_offers(SUPPORTED_CONTENT_TYPES)
            self.environ['nova.best_content_type'] = offers[0][0] if offers else 'application/json'
        return self.environ['nova.best_content_type']

    def get_content_type(self):
        """Return the content type that the header declares, or None for the default, which is JSON."""
        content_type = self.content_type if 'Content-Type' in self.headers else None
        if not content_type or content_type == 'text/plain':
            return None
        if content_type not in SUPPORTED_CONTENT_TYPES:
            raise exception.InvalidContentType(content_type=content_type)
        return content_type

    def set_api_version_request(self):
        """Read the microversion from the headers; the new header takes precedence over the old one."""
        text = microversion_parse.get_version(
            self.headers, service_type='compute', legacy_headers=[LEGACY_API_VERSION_REQUEST_HEADER])
        lowest, highest = APIVersionRequest(_MIN_API_VERSION), APIVersionRequest(_MAX_API_VERSION)
        if text is None:
            self.api_version_request = APIVersionRequest(DEFAULT_API_VERSION)
        elif text == 'latest':
            self.api_version_request = highest
        else:
            self.api_version_request = APIVersionRequest(text)
            if not self.api_version_request.matches(lowest, highest):
                raise exception.InvalidGlobalAPIVersion(
                    req_ver=self.api_version_request.get_string(), min_ver=lowest.get_string(),
                    max_ver=highest.get_string())

    def set_legacy_v2(self):
        self.environ['openstack.legacy_v2'] = True

    def is_legacy_v2(self):
        return self.environ.get('openstack.legacy_v2', False)


def _add_version_headers(request, headers):
    """Add the headers that name the microversion used, and the Vary headers that tell caches about it."""
    if not request.api_version_request.is_null():
        version = request.api_version_request.get_string()
        headers[API_VERSION_REQUEST_HEADER] = f'compute {version}'
        headers[LEGACY_API_VERSION_REQUEST_HEADER] = version
        headers.add('Vary', API_VERSION_REQUEST_HEADER)
        headers.add('Vary', LEGACY_API_VERSION_REQUEST_HEADER)


class Fault(webob.exc.HTTPException):
    """The last of the three error layers: an HTTP error with a JSON body (nova.api.openstack.wsgi.Fault)."""

    _fault_names = {
        400: 'badRequest', 401: 'unauthorized', 403: 'forbidden', 404: 'itemNotFound', 405: 'badMethod',
        409: 'conflictingRequest', 413: 'overLimit', 415: 'badMediaType', 429: 'overLimit', 501: 'notImplemented',
        503: 'serviceUnavailable'}

    def __init__(self, exception):
        self.wrapped_exc = exception
        self.status_int = exception.status_int

    @webob.dec.wsgify(RequestClass=Request)
    def __call__(self, req):
        code = self.wrapped_exc.status_int
        fault_name = self._fault_names.get(code, 'computeFault')
        _add_version_headers(req, self.wrapped_exc.headers)
        self.wrapped_exc.content_type = 'application/json'
        self.wrapped_exc.charset = 'UTF-8'
        self.wrapped_exc.text = jsonutils.dumps(
            {fault_name: {'code': code, 'message': self.wrapped_exc.explanation}})
        return self.wrapped_exc


class Middleware:
    """A filter, which holds the application behind it (nova.api.wsgi.Middleware)."""

    def __init__(self, application):
        self.application = application


# ------------------------------------------------------------------------- the filters, in the order of the pipeline


class ComputeReqIdMiddleware(request_id.RequestId):
    """Assign an id to the request; the response also has it under its old header name (nova.api.compute_req_id)."""

    compat_headers = ['x-compute-request-id']


class FaultWrapper(Middleware):
    """Turn any uncaught exception into a fault (nova.api.openstack.FaultWrapper)."""

    def _error(self, inner, req):
        LOG.exception('Caught error: %s', inner)
        status = getattr(inner, 'code', 500) or 500
        outer = webob.exc.status_map.get(status, webob.exc.HTTPInternalServerError)()
        if getattr(inner, 'safe', False):
            outer.explanation = f'{type(inner).__name__}: {inner.message}'
        return Fault(outer)

    @webob.dec.wsgify(RequestClass=Request)
    def __call__(self, req):
        try:
            return req.get_response(self.application)
        except Exception as ex:
            return self._error(ex, req)


class RequestLog(Middleware):
    """Write the request's line in the access log (nova.api.openstack.requestlog.RequestLog)."""

    @webob.dec.wsgify(RequestClass=Request)
    def __call__(self, req):
        res, start = None, time.time()
        try:
            res = req.get_response(self.application)
            return res
        finally:
            version, environ = req.api_version_request, req.environ
            query = environ.get('QUERY_STRING')
            # Not req.path_qs, because a path need not be valid UTF-8.
            uri = environ.get('SCRIPT_NAME', '') + environ.get('PATH_INFO', '') + (f'?{query}' if query else '')
            # Nova logs the URL unchanged; here passwords are masked and control characters escaped.
            uri = strutils.mask_password(uri).encode('unicode_escape').decode()
            LOG.info('%s "%s %s" status: %s len: %s microversion: %s time: %.6f', req.remote_addr, req.method,
                     uri, res.status_int if res else 500, res.content_length if res else 0,
                     '-' if version.is_null() else version.get_string(), time.time() - start)


_IDENTITY_HEADERS = (
    'X-Service-Catalog', 'X-Identity-Status', 'X-Service-Identity-Status', 'X-Is-Admin-Project',
    'OpenStack-System-Scope', 'X-Role', 'X-User', 'X-Tenant-Id', 'X-Tenant-Name', 'X-Tenant',
    *(f'X{prefix}-{name}' for prefix in ('', '-Service') for name in (
        'Domain-Id', 'Domain-Name', 'Project-Id', 'Project-Name', 'Project-Domain-Id', 'Project-Domain-Name', 'User-Id',
        'User-Name', 'User-Domain-Id', 'User-Domain-Name', 'Roles')))


class AuthProtocol(Middleware):
    """Replace the token with headers that identify the caller (keystonemiddleware.auth_token.AuthProtocol).

    This is the only stand-in among the filters: *tokens*, {token: (user_id, project_id, roles)}, replaces Keystone.
    """

    def __init__(self, application, tokens):
        super().__init__(application)
        self.tokens = tokens

    def process_request(self, request):
        """Add the caller's identity to the request's headers, or reject the request."""
        for name in _IDENTITY_HEADERS:
            request.headers.pop(name, None)  # a client cannot supply an identity itself
        identity = self.tokens.get(request.headers.get('X-Auth-Token', request.headers.get('X-Storage-Token')))
        service_token = request.headers.get('X-Service-Token')
        if identity is None or (service_token and service_token not in self.tokens):
            message = 'The request you have made requires authentication.'
            raise webob.exc.HTTPUnauthorized(
                body=jsonutils.dumps({'error': {'code': 401, 'title': 'Unauthorized', 'message': message}}),
                headers=[('WWW-Authenticate', 'Keystone uri="http://keystone.invalid/identity"')],
                charset='UTF-8', content_type='application/json')
        user_id, project_id, roles = identity
        request.headers.update({
            'X-User-Id': user_id, 'X-User-Name': user_id, 'X-User-Domain-Id': 'default', 'X-Project-Id': project_id,
            'X-Project-Name': project_id, 'X-Project-Domain-Id': 'default', 'X-Roles': ','.join(roles),
            'X-Identity-Status': 'Confirmed'})

    @webob.dec.wsgify(RequestClass=Request)
    def __call__(self, req):
        self.process_request(req)
        return self.application


class NovaKeystoneContext(Middleware):
    """Create the request context from the identity headers (nova.api.auth.NovaKeystoneContext)."""

    def __init__(self, application, api_database):
        super().__init__(application)
        self.api_database = api_database

    @staticmethod
    def _create_context(env, **kwargs):
        return RequestContext.from_environ(env, **kwargs)

    @webob.dec.wsgify(RequestClass=Request)
    def __call__(self, req):
        ctx = self._create_context(
            req.environ, user_auth_plugin=None, remote_address=req.remote_addr, service_catalog=[])
        if ctx.user_id is None:
            return webob.exc.HTTPUnauthorized()
        ctx.api_database = self.api_database
        req.environ['nova.context'] = ctx
        return self.application


class LegacyV2CompatibleWrapper(Middleware):
    """Emulate the old /v2: no microversions, unknown keys dropped (nova.api.openstack.LegacyV2CompatibleWrapper)."""

    @webob.dec.wsgify(RequestClass=Request)
    def __call__(self, req):
        req.set_legacy_v2()
        versions = (API_VERSION_REQUEST_HEADER, LEGACY_API_VERSION_REQUEST_HEADER)
        for name in versions:
            req.headers.pop(name, None)
        response = req.get_response(self.application)
        for name in versions:
            response.headers.pop(name, None)
        if response.headers.get('Vary') in versions:
            del response.headers['Vary']
        return response


# ------------------------------------------------------------------ nova/api/wsgi.py and nova/api/openstack/__init__.py


class Router:
    """Pass the request to the application that the route table selects (nova.api.wsgi.Router)."""

    def __init__(self, mapper):
        self.map = mapper
        self._router = routes.middleware.RoutesMiddleware(self._dispatch, self.map)

    @webob.dec.wsgify(RequestClass=Request)
    def __call__(self, req):
        return self._router

    @staticmethod
    @webob.dec.wsgify(RequestClass=Request)
    def _dispatch(req):
        match = req.environ['wsgiorg.routing_args'][1]
        if not match:
            return _left_out(req) or webob.exc.HTTPNotFound()
        return match['controller']


@functools.cache
def _routes_left_out():
    """Return Nova's routes that have no handler here: [(path, pattern, methods)]."""
    lines = pathlib.Path(__file__).with_name('routes_left_out.txt').read_text(encoding='utf-8').splitlines()
    return [(path, re.compile('(/[0-9a-f-]+)?' + re.sub(r'{\w+}', '[^/]+', path)), methods)
            for path, *methods in map(str.split, lines)]


def _left_out(req):
    """Return a 501 for a request that only the real Nova can answer, else None."""
    for path, pattern, methods in _routes_left_out():
        if req.method in methods and pattern.fullmatch(req.path_info):
            return Fault(webob.exc.HTTPNotImplemented(
                explanation=f'Nova answers {req.method} {path}, but this miniature of Nova does not.'))
    return None


class APIMapper(routes.Mapper):
    """The route table (nova.api.openstack.APIMapper). Left out: paths that end in a format, such as .json."""

    def routematch(self, url=None, environ=None):
        if url == '':
            result = self._match('', environ)
            return result[0], result[1]
        return super().routematch(url, environ)


class ProjectMapper(APIMapper):
    """Add every route with the project in the path (the old form) and without it (nova.api.openstack.ProjectMapper)."""

    def create_route(self, path, method, controller, action):
        for prefix in ('/{project_id:[0-9a-f-]+}', ''):
            self.connect(prefix + path, conditions={'method': [method]}, controller=controller, action=action)


# ------------------------------------------------------------------------------------ nova/api/openstack/wsgi.py


class JSONDeserializer:
    def _from_json(self, datastring):
        try:
            return jsonutils.loads(datastring)
        except (ValueError, RecursionError) as error:
            raise exception.MalformedRequestBody(reason='cannot understand JSON') from error

    def deserialize(self, datastring):
        return {'body': self._from_json(datastring)}


class WSGICodes:
    """The success status of a method, by microversion (nova.api.openstack.wsgi.WSGICodes)."""

    def __init__(self):
        self._codes = []

    def add_code(self, code):
        self._codes.append(code)

    def __call__(self, req):
        for code, min_version, max_version in self._codes:
            if req.api_version_request.matches(APIVersionRequest(min_version), APIVersionRequest(max_version)):
                return code
        raise webob.exc.HTTPInternalServerError(explanation='Unknown return code in API method')


def response(code, min_version=None, max_version=None):
    """Attach a success status to a method, without wrapping it."""

    def decorator(func):
        if not hasattr(func, 'wsgi_codes'):
            func.wsgi_codes = WSGICodes()
        func.wsgi_codes.add_code((code, min_version, max_version))
        return func
    return decorator


def action(name):
    """Make a method the handler of a key in the body, without wrapping it."""

    def decorator(func):
        func.wsgi_action = name
        return func
    return decorator


class ResponseObject:
    """A controller's result on its way to HTTP (nova.api.openstack.wsgi.ResponseObject)."""

    def __init__(self, obj, code=200):
        self.obj = obj
        self.code = code

    def serialize(self, request, content_type):
        body = None if self.obj is None else jsonutils.dumps(self.obj)
        response = webob.Response(body=body)
        response.status_int = self.code
        response.headers['Content-Type'] = content_type
        return response


def action_peek(body):
    """Return the action's name, the body's only key, before the rest of the body is validated."""
    try:
        decoded = jsonutils.loads(body)
    except (ValueError, RecursionError) as error:
        raise exception.MalformedRequestBody(reason='cannot understand JSON') from error
    if len(decoded) != 1:
        raise exception.MalformedRequestBody(reason='too many body keys')
    return list(decoded.keys())[0]


class ResourceExceptionHandler:
    """Turn domain errors and HTTP errors into faults (nova.api.openstack.wsgi.ResourceExceptionHandler)."""

    def __enter__(self):
        return None

    def __exit__(self, ex_type, ex_value, ex_traceback):
        match ex_value:
            case exception.Forbidden():
                raise Fault(webob.exc.HTTPForbidden(explanation=ex_value.format_message()))
            case exception.Invalid():
                raise Fault(webob.exc.status_map[ex_value.code](explanation=ex_value.format_message()))
            case TypeError():
                LOG.error('Exception handling resource: %s', ex_value)
                raise Fault(webob.exc.HTTPBadRequest())
            case webob.exc.HTTPException():
                raise Fault(ex_value)
        return False


class Resource:
    """Negotiate the version, find the method, call it and respond (nova.api.openstack.wsgi.Resource)."""

    support_api_request_version = True

    def __init__(self, controller):
        self.controller = controller
        self.wsgi_actions = {}
        if controller:
            self.register_subcontroller_actions(controller)

    def register_subcontroller_actions(self, sub_controller):
        for key, method_name in sub_controller.wsgi_actions.items():
            self.wsgi_actions[key] = getattr(sub_controller, method_name)

    def get_action_args(self, request_environment):
        """Return the arguments that the route found in the path."""
        args = dict(request_environment['wsgiorg.routing_args'][1])
        args.pop('controller', None)
        return args

    def get_body(self, request):
        content_type = request.get_content_type()
        return content_type, request.body

    @webob.dec.wsgify(RequestClass=Request)
    def __call__(self, request):
        if self.support_api_request_version:
            try:
                request.set_api_version_request()
            except exception.InvalidAPIVersionString as e:
                return Fault(webob.exc.HTTPBadRequest(explanation=e.format_message()))
            except exception.InvalidGlobalAPIVersion as e:
                return Fault(webob.exc.HTTPNotAcceptable(explanation=e.format_message()))
        action_args = self.get_action_args(request.environ)
        action = action_args.pop('action', None)
        try:
            content_type, body = self.get_body(request)
            accept = request.best_match_content_type()
        except exception.InvalidContentType:
            return Fault(webob.exc.HTTPUnsupportedMediaType(explanation='Unsupported Content-Type'))
        return self._process_stack(request, action, action_args, content_type, body, accept)

    def _process_stack(self, request, action, action_args, content_type, body, accept):
        """Find the method, read the body, call the method and build the response."""
        try:
            meth = self._get_method(request, action, content_type, body)
            contents = self._get_request_content(body, request)
        except (AttributeError, TypeError):
            return Fault(webob.exc.HTTPNotFound())
        except KeyError as ex:
            return Fault(webob.exc.HTTPBadRequest(explanation=f'There is no such action: {ex.args[0]}'))
        except exception.MalformedRequestBody:
            return Fault(webob.exc.HTTPBadRequest(explanation='Malformed request body'))
        action_args.update(contents)

        project_id = action_args.pop('project_id', None)
        context = request.environ.get('nova.context')
        if context and project_id and project_id != context.project_id:
            return Fault(webob.exc.HTTPBadRequest(explanation=(
                f"Malformed request URL: URL's project_id '{project_id}' doesn't match Context's project_id "
                f"'{context.project_id}'")))
        try:
            with ResourceExceptionHandler():
                action_result = self.dispatch(meth, request, action_args)
        except Fault as ex:
            return ex
        if isinstance(action_result, webob.Response | webob.exc.HTTPException):
            return action_result
        resp_obj = ResponseObject(action_result)
        if hasattr(meth, 'wsgi_codes'):
            resp_obj.code = meth.wsgi_codes(request)
        response = resp_obj.serialize(request, accept)
        _add_version_headers(request, response.headers)
        return response

    def _get_request_content(self, body, request):
        if request.method not in ('POST', 'PUT'):
            return {}
        if not request.content_length:
            return {'body': None}
        return JSONDeserializer().deserialize(body)

    def _get_method(self, request, action, content_type, body):
        """Return the method with the action's name or, if that is just "action", the one for the body's key."""
        try:
            return getattr(self.controller or self, action)
        except AttributeError:
            if not self.wsgi_actions or action not in ('create', 'delete', 'show', 'update', 'action'):
                raise
        action_name = action_peek(body) if action == 'action' else action
        return self.wsgi_actions[action_name]

    def dispatch(self, method, request, action_args):
        return method(req=request, **action_args)


def expected_errors(errors, min_version=None, max_version=None):
    """Let the expected errors through, given as one status or several; turn any other error into a 500."""

    def decorator(f):
        @functools.wraps(f)
        def wrapped(*args, **kwargs):
            try:
                return f(*args, **kwargs)
            except Exception as exc:
                if isinstance(exc, webob.exc.WSGIHTTPException):
                    if exc.code in ((errors,) if isinstance(errors, int) else errors):
                        raise
                elif isinstance(exc, exception.Forbidden | exception.ValidationError | exception.Unauthorized):
                    raise
                elif isinstance(exc, exception.NotSupported):
                    raise webob.exc.HTTPBadRequest(explanation=exc.format_message())
                LOG.exception('Unexpected exception in API method')
                raise webob.exc.HTTPInternalServerError(explanation=(
                    f'Unexpected API Error. Please contact the administrator\n{type(exc)}'))
        return wrapped
    return decorator


class Controller:
    """A class whose methods handle the keys of a body (nova.api.openstack.wsgi.Controller)."""

    wsgi_actions = {}

    def __init_subclass__(cls):
        cls.wsgi_actions = {
            method.wsgi_action: name for name, method in vars(cls).items() if hasattr(method, 'wsgi_action')}

    def __init__(self, compute_api):
        self.compute_api = compute_api


# -------------------------------------------------------- nova/api/validation/__init__.py and validation/validators.py


def _soft_validate_additional_properties(validator, value, instance, schema):
    """Drop unknown keys instead of rejecting them, as the old /v2 did."""
    if not validator.is_type(instance, 'object') or value is True:
        return
    for name in set(instance) - set(schema.get('properties', {})):
        del instance[name]


def _validate_minimum(validator, minimum, instance, schema):
    """Compare a number even if it is given as a string."""
    with contextlib.suppress(ValueError):
        yield from jsonschema.Draft202012Validator.VALIDATORS['minimum'](validator, minimum, int(instance), schema)


_FORMAT_CHECKER = jsonschema.FormatChecker(formats=())


@_FORMAT_CHECKER.checks('regex', (re.error, OverflowError, RecursionError))
def _validate_regex_format(instance):
    return bool(instance and re.compile(instance))


@_FORMAT_CHECKER.checks('date-time', ValueError)
def _validate_datetime_format(instance):
    return bool(timeutils.parse_isotime(instance))


class _SchemaValidator:
    """Report what jsonschema finds, in Nova's words (nova.api.validation.validators._SchemaValidator).

    Left out: the formats that no schema of the path uses.
    """

    validator_org = jsonschema.validators.extend(jsonschema.Draft202012Validator, {'minimum': _validate_minimum})
    _relaxed = jsonschema.validators.extend(
        validator_org, {'additionalProperties': _soft_validate_additional_properties})

    def __init__(self, schema, relax_additional_properties=False, is_body=True):
        validator = self._relaxed if relax_additional_properties else self.validator_org
        self.validator, self.is_body = validator(schema, format_checker=_FORMAT_CHECKER), is_body

    def validate(self, *args, **kwargs):
        try:
            self.validator.validate(*args, **kwargs)
        except jsonschema.ValidationError as ex:
            detail = ex.message
            if ex.path:  # in a query, the last part of the path is the position among the values of a parameter
                where = (f'field/attribute {ex.path.pop()}' if self.is_body else
                         f'query parameters {ex.path.popleft()}')
                detail = f'Invalid input for {where}. Value: {ex.instance}. {ex.message}'
            raise exception.ValidationError(detail=detail) from ex


def _schema_validation_helper(schema, target, min_version, max_version, args, kwargs, *,
                              relax_additional_properties=False, is_body=True):
    """Validate *target* if the request's microversion is in the range.

    Returns: whether it was validated.
    Raises: ValidationError.
    """
    req = kwargs['req']
    if req.is_legacy_v2():
        if min_version in (None, '2.0'):
            _SchemaValidator(schema, relax_additional_properties, is_body).validate(target)
            return True
    elif req.api_version_request.matches(APIVersionRequest(min_version), APIVersionRequest(max_version)):
        _SchemaValidator(schema, False, is_body).validate(target)
        return True
    return False


def schema(request_body_schema, min_version=None, max_version=None):
    """Validate the body against a schema before the method runs, for a range of microversions."""

    def add_validator(func):
        @functools.wraps(func)
        def wrapper(*args, **kwargs):
            _schema_validation_helper(
                request_body_schema, kwargs['body'], min_version, max_version, args, kwargs,
                relax_additional_properties=True)
            return func(*args, **kwargs)
        return wrapper
    return add_validator


def _strip_additional_query_parameters(schema, req):
    """Drop the parameters that the schema does not know, except those that its patterns match."""
    patterns = schema.get('patternProperties', ())
    unknown = {param for param in set(req.GET) - set(schema['properties'])
               if schema['additionalProperties'] and not any(re.match(pattern, param) for pattern in patterns)}
    if unknown:  # all at once, because each change of req.GET encodes the whole query again
        req.query_string = urlencode([(param, value) for param, value in req.GET.items() if param not in unknown])


def query_schema(request_query_schema, min_version=None, max_version=None):
    """Validate the query against a schema before the method runs, for a range of microversions."""

    def add_validator(func):
        @functools.wraps(func)
        def wrapper(*args, **kwargs):
            try:
                query_dict = kwargs['req'].GET.dict_of_lists()
            except UnicodeDecodeError:
                raise exception.ValidationError('Query string is not UTF-8 encoded')
            if _schema_validation_helper(request_query_schema, query_dict, min_version, max_version, args, kwargs,
                                         relax_additional_properties=True, is_body=False):
                _strip_additional_query_parameters(request_query_schema, kwargs['req'])
            return func(*args, **kwargs)
        return wrapper
    return add_validator


def response_body_schema(response_body_schema, min_version=None, max_version=None):
    """Validate the response against a schema after the method has run; only log a violation."""

    def add_validator(func):
        @functools.wraps(func)
        def wrapper(*args, **kwargs):
            response = func(*args, **kwargs)
            body = jsonutils.loads(jsonutils.dumps(response))
            try:
                _schema_validation_helper(response_body_schema, body, min_version, max_version, args, kwargs)
            except exception.ValidationError:
                LOG.exception('Schema failed to validate')
            return response
        return wrapper
    return add_validator


# ------------------------------------------------------------ nova/api/openstack/compute/schemas/migrate_server.py

# The order of the keys decides which violation is reported first.
boolean = {
    'type': ['boolean', 'string'],
    'enum': [True, 'True', 'TRUE', 'true', '1', 'ON', 'On', 'on', 'YES', 'Yes', 'yes',
             False, 'False', 'FALSE', 'false', '0', 'OFF', 'Off', 'off', 'NO', 'No', 'no'],
}
host = {'type': ['string', 'null'], 'pattern': '^[a-zA-Z0-9-._]*$', 'minLength': 1, 'maxLength': 255}
_block_migration = {**boolean, 'enum': [*boolean['enum'], 'auto']}


def _migrate_live_schema(required, **optional):
    return {
        'type': 'object',
        'properties': {
            'os-migrateLive': {
                'type': 'object',
                'properties': {**required, **optional},
                'required': list(required),
                'additionalProperties': False,
            },
        },
        'required': ['os-migrateLive'],
        'additionalProperties': False,
    }


migrate_live = _migrate_live_schema({'block_migration': boolean, 'disk_over_commit': boolean, 'host': host})
migrate_live_v2_25 = _migrate_live_schema({'block_migration': _block_migration, 'host': host})
migrate_live_v2_30 = _migrate_live_schema({'block_migration': _block_migration, 'host': host}, force=boolean)
migrate_live_v2_68 = migrate_live_v2_25
migrate_live_response = {'type': 'null'}

# -------------------------------------------------------------- nova/api/openstack/compute/schemas/pause_server.py

# Any value is valid, including null.
pause = {'type': 'object', 'properties': {'pause': {}}, 'required': ['pause'], 'additionalProperties': False}
pause_response = {'type': 'null'}

# ----------------------------------------------------------------------------------- nova/api/openstack/common.py

_MAX_LIMIT = 1000  # servers in one response (CONF.api.max_limit)


def get_sort_params(input_params, default_key='created_at', default_dir='desc'):
    """Return the sort keys and the sort directions of a query."""
    sort_keys, sort_dirs = ([value.strip() for value in input_params.getall(name)] for name in ('sort_key', 'sort_dir'))
    return sort_keys or [default_key], sort_dirs or [default_dir]


def get_limit_and_marker(request):
    """Return how many servers to list at most, and the server to start after."""
    params = {}
    for name in {'limit', 'page_size', 'offset'} & set(request.GET):
        try:
            params[name] = strutils.validate_integer(request.GET[name], name, min_value=0)
        except ValueError as error:
            raise webob.exc.HTTPBadRequest(explanation=exception.InvalidInput(reason=error).format_message())
    return min(params.get('limit', _MAX_LIMIT), _MAX_LIMIT), request.GET.get('marker')


def is_all_tenants(search_opts):
    """Return whether the query asks for the servers of all projects, as an empty value does."""
    try:
        return 'all_tenants' in search_opts and strutils.bool_from_string(
            search_opts['all_tenants'] or 'true', strict=True)
    except ValueError as error:
        raise exception.InvalidInput(str(error))


def is_locked(search_opts):
    try:
        return strutils.bool_from_string(search_opts['locked'], strict=True)
    except ValueError as error:
        raise exception.InvalidInput(str(error))


def get_instance(compute_api, context, instance_id, expected_attrs=None, cell_down_support=False):
    """Return the server; raise a 404 if it is not found."""
    try:
        return compute_api.get(
            context, instance_id, expected_attrs=expected_attrs, cell_down_support=cell_down_support)
    except exception.InstanceNotFound as e:
        raise webob.exc.HTTPNotFound(explanation=e.format_message())


def raise_http_conflict_for_instance_invalid_state(exc, action, server_id):
    """Raise a 409 that names the state that prevents the action."""
    attr, state = exc.kwargs.get('attr'), exc.kwargs.get('state')
    if attr is not None and state is not None:
        msg = f"Cannot '{action}' instance {server_id} while it is in {attr} {state}"
    else:
        msg = f"Instance {server_id} is in an invalid state for '{action}'"
    raise webob.exc.HTTPConflict(explanation=msg)


def raise_feature_not_supported(msg=None):
    """Raise a 501."""
    raise webob.exc.HTTPNotImplemented(explanation=msg or 'The requested functionality is not supported.')


# --------------------------------------------------------------- nova/api/openstack/compute/migrate_server.py

POLICY_ROOT = 'os_compute_api:os-migrate-server:%s'


class MigrateServerController(Controller):
    """Handle the key os-migrateLive (nova.api.openstack.compute.migrate_server.MigrateServerController).

    Left out: the key migrate, a cold migration.
    """

    @response(202)
    @expected_errors((400, 403, 404, 409))
    @action('os-migrateLive')
    @schema(migrate_live, '2.0', '2.24')
    @schema(migrate_live_v2_25, '2.25', '2.29')
    @schema(migrate_live_v2_30, '2.30', '2.67')
    @schema(migrate_live_v2_68, '2.68')
    @response_body_schema(migrate_live_response)
    def _migrate_live(self, req, id, body):
        context = req.environ['nova.context']
        # The conductor reads the NUMA topology later.
        instance = get_instance(
            self.compute_api, context, id, expected_attrs=['numa_topology', 'system_metadata'])

        host = body['os-migrateLive']['host']
        rule = 'migrate_live:host' if host else 'migrate_live'
        context.can(POLICY_ROOT % rule, target={'project_id': instance.project_id})

        block_migration = body['os-migrateLive']['block_migration']
        force = None
        async_ = is_supported(req, '2.34')
        if is_supported(req, '2.30'):
            force = self._get_force_param_for_live_migration(body, host)
        disk_over_commit = None
        if is_supported(req, '2.25') and block_migration == 'auto':
            block_migration = None
        else:
            block_migration = strutils.bool_from_string(block_migration, strict=True)
        if not is_supported(req, '2.25'):
            disk_over_commit = strutils.bool_from_string(body['os-migrateLive']['disk_over_commit'], strict=True)

        try:
            self.compute_api.live_migrate(context, instance, block_migration, disk_over_commit, host, force, async_)
        except (exception.NoValidHost, exception.ComputeServiceUnavailable, exception.InvalidHypervisorType,
                exception.InvalidCPUInfo, exception.UnableToMigrateToSelf, exception.DestinationHypervisorTooOld,
                exception.InvalidLocalStorage, exception.InvalidSharedStorage, exception.HypervisorUnavailable,
                exception.MigrationPreCheckError, exception.ForbiddenPortsWithAccelerator) as ex:
            if async_:
                LOG.error('Unexpected exception received from conductor during pre-live-migration checks: %s', ex)
                raise
            raise webob.exc.HTTPBadRequest(explanation=ex.format_message())
        except (exception.ComputeHostNotFound, exception.ExtendedResourceRequestOldCompute,
                exception.VTPMOldCompute) as e:
            raise webob.exc.HTTPBadRequest(explanation=e.format_message())
        except (exception.InstanceIsLocked, exception.ForbiddenSharesNotSupported, exception.ForbiddenWithShare) as e:
            raise webob.exc.HTTPConflict(explanation=e.format_message())
        except exception.InstanceInvalidState as state_error:
            raise_http_conflict_for_instance_invalid_state(state_error, 'os-migrateLive', id)

    def _get_force_param_for_live_migration(self, body, host):
        """Return *force* as a boolean; raise a 400 if it is true and there is no host."""
        force = strutils.bool_from_string(body['os-migrateLive'].get('force', False), strict=True)
        if force is True and not host:
            raise webob.exc.HTTPBadRequest(explanation="Can't force to a non-provided destination")
        return force


# ----------------------------------------------------------------- nova/api/openstack/compute/pause_server.py


class PauseServerController(Controller):
    """Handle the key pause (nova.api.openstack.compute.pause_server.PauseServerController).

    Left out: the key unpause.
    """

    @response(202)
    @expected_errors((404, 409, 501))
    @action('pause')
    @schema(pause)
    @response_body_schema(pause_response)
    def _pause(self, req, id, body):
        ctxt = req.environ['nova.context']
        server = get_instance(self.compute_api, ctxt, id)
        ctxt.can('os_compute_api:os-pause-server:pause',
                 target={'user_id': server.user_id, 'project_id': server.project_id})
        try:
            self.compute_api.pause(ctxt, server)
        except exception.InstanceIsLocked as e:
            raise webob.exc.HTTPConflict(explanation=e.format_message())
        except exception.InstanceInvalidState as state_error:
            raise_http_conflict_for_instance_invalid_state(state_error, 'pause', id)
        except exception.InstanceNotFound as e:
            raise webob.exc.HTTPNotFound(explanation=e.format_message())
        except NotImplementedError:
            raise_feature_not_supported()


# ------------------------------------ nova/api/openstack/compute/servers.py and versions.py: what clients request first


def _query_of_servers(func):
    """Validate the query of a list of servers, by microversion."""
    for schema, min_version, max_version in (
            (queries.index_query, '2.1', '2.25'), (queries.index_query_v226, '2.26', '2.65'),
            (queries.index_query_v266, '2.66', '2.72'), (queries.index_query_v273, '2.73', '2.74'),
            (queries.index_query_v275, '2.75', None)):
        func = query_schema(schema, min_version, max_version)(func)
    return func


class ServersController(Controller):
    """Describe servers to clients (nova.api.openstack.compute.servers.ServersController).

    Included because clients look up a server by name before they act on it. Left out: everything that changes a
    server, filters and sort keys that need a column which the database here lacks, what microversion 2.69 shows for a
    cell that is down, and fields that need another service.
    """

    @expected_errors((400, 403, 501))
    @_query_of_servers
    def index(self, req):
        req.environ['nova.context'].can('os_compute_api:servers:index')
        return self._get_servers(req, is_detail=False)

    @expected_errors((400, 403, 501))
    @_query_of_servers
    def detail(self, req):
        req.environ['nova.context'].can('os_compute_api:servers:detail')
        return self._get_servers(req, is_detail=True)

    @expected_errors(404)
    @query_schema(queries.show_query, '2.1', '2.101')
    @query_schema(queries.show_query_v2102, '2.102')
    def show(self, req, id):
        context = req.environ['nova.context']
        instance = get_instance(self.compute_api, context, id, expected_attrs=['flavor'])
        context.can('os_compute_api:servers:show', target={'project_id': instance.project_id})
        return {'server': self._view(req, instance, is_detail=True)}

    def _get_servers(self, req, is_detail):
        """Return the servers that the query selects, and the link to the next page if there may be one."""
        context = req.environ['nova.context']
        try:
            search_opts = self._search_options(req, context)
            if search_opts is None:
                return {'servers': []}
            all_tenants = is_all_tenants(search_opts)
            if all_tenants:
                context.can(f'os_compute_api:servers:{"detail" if is_detail else "index"}:get_all_tenants')
            search_opts.pop('all_tenants', None)
            if not all_tenants:
                search_opts.pop('tenant_id', None)
                search_opts.update(
                    {'project_id': context.project_id} if context.project_id else {'user_id': context.user_id})
            limit, marker = get_limit_and_marker(req)
            sort_keys, sort_dirs = self._sort_params(req, context)
            for name in {*search_opts, *sort_keys} & queries.COLUMNS - set(objects.INSTANCES.c.keys()):
                raise webob.exc.HTTPNotImplemented(explanation=(
                    f'This miniature of Nova stores no {name} of a server, so it cannot filter or sort by it.'))
            instances = self.compute_api.get_all(
                context, search_opts=search_opts, limit=limit, marker=marker,
                expected_attrs=['flavor'] if is_detail else [], sort_keys=sort_keys, sort_dirs=sort_dirs,
                all_tenants=all_tenants)
        except exception.MarkerNotFound:
            raise webob.exc.HTTPBadRequest(explanation=f'marker [{marker}] not found')
        except exception.Invalid as err:
            raise webob.exc.HTTPBadRequest(explanation=err.format_message())
        links = self._next_page(req, instances, 'servers/detail' if is_detail else 'servers')
        return {'servers': [self._view(req, instance, is_detail) for instance in instances],
                **({'servers_links': links} if links else {})}

    def _search_options(self, req, context):
        """Return the options of a query that the caller may use, as Python objects; None if no server can match."""
        if context.can('os_compute_api:servers:allow_all_filters', fatal=False):
            allowed = set(req.GET) - {'sort_key', 'sort_dir', 'limit', 'marker'}
        else:
            allowed = {name for version, names in queries.SEARCH_OPTIONS if is_supported(req, version)
                       for name in names}
        search_opts = {name: value for name, value in req.GET.items() if name in allowed}
        for name in search_opts:
            if name in queries.JOINED_TABLE_QUERY_PARAMS_SERVERS or name.startswith('_'):
                raise exception.Invalid(f'Invalid filter field: {name}.')
        search_opts.pop('status', None)
        if 'status' in req.GET:
            vm_state, task_state = queries.task_and_vm_state_from_status(req.GET.getall('status'))
            if not vm_state and is_supported(req, '2.38'):
                raise exception.Invalid('Invalid status value')
            if not vm_state:
                return None
            search_opts['vm_state'] = vm_state
            if 'default' not in task_state:
                search_opts['task_state'] = task_state
        try:
            self._read_times(search_opts)
        except OverflowError:  # before the year 1 or after 9999: in Nova, each cell fails and is left out
            return None
        self._read_deleted(search_opts, context)
        if 'locked' in search_opts:
            search_opts['locked'] = is_locked(search_opts)
        return search_opts

    @staticmethod
    def _read_times(search_opts):
        for name in {'changes-since', 'changes-before'} & set(search_opts):
            try:
                search_opts[name] = timeutils.normalize_time(timeutils.parse_isotime(search_opts[name]))
            except ValueError:  # only in /v2, where no schema has checked it
                raise exception.Invalid(f'Invalid filter field: {name}.')
        if {'changes-since', 'changes-before'} <= set(search_opts):
            if search_opts['changes-before'] < search_opts['changes-since']:
                raise exception.Invalid('The value of changes-since must be less than or equal to changes-before.')

    @staticmethod
    def _read_deleted(search_opts, context):
        """Leave out deleted servers unless the query asks for them, or for changes."""
        if 'deleted' in search_opts:
            search_opts['deleted'] = strutils.bool_from_string(search_opts['deleted'])
        elif not {'changes-since', 'changes-before'} & set(search_opts):
            search_opts['deleted'] = False
        if search_opts.get('vm_state') == ['deleted']:
            if not context.is_admin:
                raise webob.exc.HTTPForbidden(explanation='Only administrators may list deleted instances')
            search_opts['deleted'] = True

    @staticmethod
    def _sort_params(req, context):
        """Return the sort keys and directions of a query, without the keys that Nova ignores."""
        sort_keys, sort_dirs = get_sort_params(req.params)
        ignored = (queries.SERVER_LIST_IGNORE_SORT_KEY_V273 if is_supported(req, '2.73') else
                   queries.SERVER_LIST_IGNORE_SORT_KEY)
        for key in list(sort_keys):
            if key in ignored:
                index = sort_keys.index(key)
                del sort_keys[index], sort_dirs[index:index + 1]
            elif key in ('host', 'node') and not context.is_admin:
                raise webob.exc.HTTPForbidden(explanation=f'Only administrators can sort servers by {key}')
        return sort_keys, sort_dirs

    @staticmethod
    def _next_page(req, instances, path):
        """Return the link to the next page if this one is full, else no link."""
        if not instances or len(instances) < min(int(req.params.get('limit', _MAX_LIMIT)), _MAX_LIMIT):
            return []
        query = {**dict(sorted(req.params.items())), 'marker': instances[-1].uuid}
        project = req.environ['nova.context'].project_id
        prefix = f'{req.application_url}/{project}' if project and project in req.url else req.application_url
        return [{'rel': 'next', 'href': f'{prefix}/{path}?{urlencode(query)}'}]

    @staticmethod
    def _view(req, instance, is_detail):
        url = f'{req.application_url}/servers/{instance.uuid}'
        server = {'id': instance.uuid, 'name': instance.display_name, 'links': [{'rel': 'self', 'href': url}]}
        if not is_detail:
            return server
        flavor = {'id': instance.flavor.flavorid, 'links': []}
        if is_supported(req, '2.47'):
            flavor = {'original_name': instance.flavor.name, 'vcpus': instance.flavor.vcpus,
                      'ram': instance.flavor.memory_mb, 'disk': instance.flavor.root_gb, 'ephemeral': 0, 'swap': 0,
                      'extra_specs': instance.flavor.extra_specs}
        server.update({
            'status': queries.status_from_state(instance.vm_state, instance.task_state),
            'tenant_id': instance.project_id, 'user_id': instance.user_id, 'metadata': instance.metadata,
            'created': instance.created_at.strftime('%Y-%m-%dT%H:%M:%SZ'), 'flavor': flavor, 'image': '',
            'addresses': {}, 'OS-EXT-STS:vm_state': instance.vm_state, 'OS-EXT-STS:task_state': instance.task_state,
            'OS-EXT-STS:power_state': instance.power_state})
        if req.environ['nova.context'].is_admin:
            server.update({'OS-EXT-SRV-ATTR:host': instance.host,
                           'OS-EXT-SRV-ATTR:hypervisor_hostname': instance.node})
        if is_supported(req, '2.9'):
            server['locked'] = bool(instance.locked_by)
        return server


_LINKS = [{'rel': 'describedby', 'type': 'text/html', 'href': 'http://docs.openstack.org/'}]
_MEDIA_TYPE = 'application/vnd.openstack.compute+json;version='
VERSIONS = {
    'v2.0': {'id': 'v2.0', 'status': 'DEPRECATED', 'version': '', 'min_version': '',
             'updated': '2025-07-04T12:00:00Z', 'links': _LINKS,
             'media-types': [{'base': 'application/json', 'type': _MEDIA_TYPE + '2'}]},
    'v2.1': {'id': 'v2.1', 'status': 'CURRENT', 'version': _MAX_API_VERSION, 'min_version': _MIN_API_VERSION,
             'updated': '2013-07-23T11:33:21Z', 'links': _LINKS,
             'media-types': [{'base': 'application/json', 'type': _MEDIA_TYPE + '2.1'}]},
}


class Versions(Resource):
    """List the API's versions at / (nova.api.openstack.compute.versions.Versions)."""

    support_api_request_version = False

    def get_action_args(self, request_environment):
        return {'action': 'index' if request_environment['PATH_INFO'] == '/' else 'multi'}

    @staticmethod
    def _self_link(req, version, path=''):
        url = '/'.join([req.application_url.rstrip('/'), 'v2' if version == 'v2.0' else version, path.strip('/')])
        return [{'rel': 'self', 'href': url}]

    @query_schema(queries.show_query)
    def index(self, req, body=None):
        names = ('id', 'status', 'version', 'min_version', 'updated')
        return {'versions': [
            {**{name: version[name] for name in names}, 'links': self._self_link(req, version['id'])}
            for version in VERSIONS.values()]}

    @response(300)
    @query_schema(queries.show_query)
    def multi(self, req, body=None):
        return {'choices': [
            {'id': version['id'], 'status': version['status'],
             'links': self._self_link(req, version['id'], req.path), 'media-types': version['media-types']}
            for version in VERSIONS.values()]}


class VersionsV2(Resource):
    """Describe the version at /v2.1 (nova.api.openstack.compute.versions.VersionsV2)."""

    def get_action_args(self, request_environment):
        return {'action': 'index'}

    @query_schema(queries.show_query)
    def index(self, req, body=None):
        version = VERSIONS['v2.0' if req.is_legacy_v2() else 'v2.1']
        own = {'rel': 'self', 'href': req.application_url.rstrip('/') + '/'}
        return {'version': {**version, 'links': [own, *version['links']]}}


# ------------------------------------------------------------------------ nova/api/openstack/compute/routes.py


def _create_controller(main_controller, action_controller_list, compute_api):
    controller = Resource(main_controller(compute_api))
    for ctl in action_controller_list:
        controller.register_subcontroller_actions(ctl(compute_api))
    return controller


# ServersController has no method "action", so the body's key selects a method of the controllers in the list.
server_controller = functools.partial(
    _create_controller, ServersController, [MigrateServerController, PauseServerController])

# Left out: the routes in routes_left_out.txt, which get a 501, and all actions except live migration and pause: a
# request for one of these gets the same response as a request for one that does not exist.
ROUTE_LIST = (
    ('/servers', {'GET': [server_controller, 'index']}),
    ('/servers/detail', {'GET': [server_controller, 'detail']}),
    ('/servers/{id}', {'GET': [server_controller, 'show']}),
    ('/servers/{id}/action', {'POST': [server_controller, 'action']}),
)


class APIRouterV21(Router):
    """Build the route table once, at startup (nova.api.openstack.compute.routes.APIRouterV21)."""

    def __init__(self, compute_api):
        super().__init__(ProjectMapper())
        for path, methods in ROUTE_LIST:
            for method, (controller, action) in methods.items():
                self.map.create_route(path, method, controller(compute_api), action)


# ------------------------------------------------------------------------------------------ nova/virt/hardware.py


def _get_flavor_image_meta(key, flavor, image_meta):
    return flavor.extra_specs.get(f'hw:{key}'), image_meta.get(f'hw_{key}')


def _get_unique_flavor_image_meta(key, flavor, image_meta):
    flavor_value, image_value = _get_flavor_image_meta(key, flavor, image_meta)
    if image_value and flavor_value and image_value != flavor_value:
        # Nova's FlavorImageConflict would name the image, but an instance does not hold the image's name.
        raise NotImplementedError("Cannot load 'name' in the base class")
    return flavor_value or image_value


def _require(value, what, allowed):
    if value not in allowed:
        raise exception.Invalid(f'Invalid {what} {value!r}. Allowed values: {", ".join(allowed)}.')


def get_vtpm_constraint(flavor, image_meta):
    """Return the virtual TPM that the server requires: (version, model), or None."""
    version = _get_unique_flavor_image_meta('tpm_version', flavor, image_meta)
    if version is None:
        return None
    _require(version, 'TPM version', objects.TPM_VERSIONS)
    model = _get_unique_flavor_image_meta('tpm_model', flavor, image_meta)
    if model is None:
        return version, 'tpm-tis'
    _require(model, 'TPM model', objects.TPM_MODELS)
    if model == 'tpm-crb' and version != '2.0':
        raise exception.Invalid('TPM model CRB is only valid with TPM version 2.0.')
    return version, model


def get_tpm_secret_security_constraint(flavor):
    return flavor.extra_specs.get('hw:tpm_secret_security')


def get_mem_encryption_constraint(flavor, image_meta, machine_type=None):
    """Return the model with which the server's memory must be encrypted, or None."""
    flavor_text, by_image = _get_flavor_image_meta('mem_encryption', flavor, image_meta)
    by_flavor = None if flavor_text is None else strutils.bool_from_string(flavor_text)
    if not by_flavor and not by_image:
        return None
    model_by_flavor, model_by_image = _get_flavor_image_meta('mem_encryption_model', flavor, image_meta)
    for setting, wanted, image_value in (('mem_encryption', by_flavor, by_image),
                                         ('mem_encryption_model', model_by_flavor, model_by_image)):
        if None not in (wanted, image_value) and wanted != image_value:
            raise exception.FlavorImageConflict(setting=setting, flavor_val=wanted, image_val=image_value)
    model = model_by_image or model_by_flavor or 'amd-sev'
    _require(model, 'memory encryption model', objects.MEM_ENCRYPTION_MODELS)
    _check_mem_encryption_image(model, image_meta, machine_type or image_meta.get('hw_machine_type'))
    return model


def _check_mem_encryption_image(model, image_meta, machine_type):
    firmware = image_meta.get('hw_firmware_type')
    if firmware != 'uefi':
        raise exception.FlavorImageConflict(setting='hw_firmware_type', flavor_val='uefi', image_val=firmware)
    if machine_type is not None and 'q35' not in machine_type:
        raise exception.InvalidMachineType(
            mtype=machine_type, image_id='<no-id>', image_name=None, reason=f'q35 type is required for {model} to work')
    if model in ('amd-sev-snp', 'intel-tdx') and not image_meta.get('hw_firmware_stateless'):
        raise exception.StatelessFirmwareRequired(feature=model)
    if model == 'intel-tdx' and image_meta.get('hw_video_model') != 'none':
        raise exception.InvalidVideoMode(model=model)


# -------------------------------------------------------------------------------------------- nova/network/neutron.py


class NeutronAPI:
    """The path's queries to Neutron (nova.network.neutron.API); this cloud's Neutron has no extensions."""

    extensions = ()

    def instance_has_extended_resource_request(self, instance_uuid):
        return self.has_extended_resource_request_extension(objects.get_admin_context())

    def has_extended_resource_request_extension(self, context=None):
        return 'port-resource-request-groups' in self.extensions


# --------------------------------------------------- nova/compute/api.py: the guards, innermost first, as in Nova

MIN_COMPUTE_MOVE_WITH_EXTENDED_RESOURCE_REQUEST = 59
MIN_COMPUTE_VDPA_HOTPLUG_LIVE_MIGRATION = 63
MIN_COMPUTE_VTPM_LIVE_MIGRATION = 72
LIVE_MIGRATION = 'live-migration'


def check_instance_state(vm_state=None, task_state=(None,), must_have_launched=True):
    """Reject a server whose vm state or task state is not among those given."""
    vm_state, task_state = (None if states is None else set(states) for states in (vm_state, task_state))

    def outer(f):
        @functools.wraps(f)
        def inner(self, context, instance, *args, **kw):
            refuse = functools.partial(
                exception.InstanceInvalidState, instance_uuid=instance.uuid, method=f.__name__)
            if vm_state is not None and instance.vm_state not in vm_state:
                raise refuse(attr='vm_state', state=instance.vm_state)
            if task_state is not None and instance.task_state not in task_state:
                raise refuse(attr='task_state', state=instance.task_state)
            if must_have_launched and not instance.launched_at:
                raise refuse(attr='launched_at', state=instance.launched_at)
            return f(self, context, instance, *args, **kw)
        return inner
    return outer


def check_instance_lock(function):
    """Reject a locked server unless the caller is an administrator."""

    @functools.wraps(function)
    def inner(self, context, instance, *args, **kwargs):
        if instance.locked and not context.is_admin:
            raise exception.InstanceIsLocked(instance_uuid=instance.uuid)
        return function(self, context, instance, *args, **kwargs)
    return inner


def reject_mem_enc_instances(operation):
    """Reject a server whose memory is encrypted."""

    def outer(f):
        @functools.wraps(f)
        def inner(self, context, instance, *args, **kw):
            if get_mem_encryption_constraint(instance.flavor, instance.image_meta):
                raise exception.OperationNotSupportedForMemEncryption(instance_uuid=instance.uuid, operation=operation)
            return f(self, context, instance, *args, **kw)
        return inner
    return outer


def reject_legacy_vtpm_live_migration(function):
    """Reject a server with a virtual TPM unless its secret security is `host` and all computes are new enough."""

    @functools.wraps(function)
    def inner(self, context, instance, *args, **kwargs):
        if get_vtpm_constraint(instance.flavor, instance.image_meta):
            if (get_tpm_secret_security_constraint(instance.flavor) or 'user') != 'host':
                raise exception.OperationNotSupportedForVTPM(instance_uuid=instance.uuid, operation=LIVE_MIGRATION)
            if objects.Service.get_minimum_version(context, 'nova-compute') < MIN_COMPUTE_VTPM_LIVE_MIGRATION:
                raise exception.VTPMOldCompute()
        return function(self, context, instance, *args, **kwargs)
    return inner


def block_accelerators(until_service=None):
    """Reject a server whose flavor requests accelerators."""

    def inner(func):
        @functools.wraps(func)
        def wrapper(self, context, instance, *args, **kwargs):
            if instance.flavor.extra_specs.get('accel:device_profile'):
                raise exception.ForbiddenWithAccelerators()
            return func(self, context, instance, *args, **kwargs)
        return wrapper
    return inner


def reject_vdpa_instances(operation, until=None):
    """Reject a server with vDPA ports while some computes are too old to support them."""

    def outer(f):
        @functools.wraps(f)
        def inner(self, context, instance, *args, **kw):
            if any(vif['vnic_type'] == 'vdpa' for vif in instance.get_network_info()):
                if until is None or objects.Service.get_minimum_version(context, 'nova-compute') < until:
                    raise exception.OperationNotSupportedForVDPAInterface(
                        instance_uuid=instance.uuid, operation=operation)
            return f(self, context, instance, *args, **kw)
        return inner
    return outer


def block_port_accelerators():
    """Reject a server whose ports use accelerators."""

    def inner(func):
        @functools.wraps(func)
        def wrapper(self, context, instance, *args, **kwargs):
            for vif in instance.get_network_info():
                if vif['vnic_type'] in ('accelerator-direct', 'accelerator-direct-physical'):
                    raise exception.ForbiddenPortsWithAccelerator()
            return func(self, context, instance, *args, **kwargs)
        return wrapper
    return inner


def block_extended_resource_request(function):
    """Reject a server whose ports request resource groups while some computes are too old to support them."""

    @functools.wraps(function)
    def inner(self, context, instance, *args, **kwargs):
        if self.network_api.instance_has_extended_resource_request(instance.uuid):
            version = objects.Service.get_minimum_version(context, 'nova-compute')
            if version < MIN_COMPUTE_MOVE_WITH_EXTENDED_RESOURCE_REQUEST:
                raise exception.ExtendedResourceRequestOldCompute()
        return function(self, context, instance, *args, **kwargs)
    return inner


def instance_has_share(context, instance):
    """Return the server's shares, which are stored in its cell."""
    im = objects.InstanceMapping.get_by_instance_uuid(context, instance.uuid)
    with objects.target_cell(context, im.cell_mapping) as cctxt:
        return objects.ShareMappingList.get_by_instance_uuid(cctxt, instance.uuid)


def block_shares_not_supported():
    """Reject a server with shares."""

    def inner(func):
        @functools.wraps(func)
        def wrapper(self, context, instance, *args, **kwargs):
            if instance_has_share(context, instance):
                raise exception.ForbiddenWithShare()
            return func(self, context, instance, *args, **kwargs)
        return wrapper
    return inner


class API:
    """The compute API, which still runs in nova-api (nova.compute.api.API)."""

    def __init__(self, compute_task_api, compute_rpcapi):
        self.network_api = NeutronAPI()
        self.compute_task_api = compute_task_api
        self.compute_rpcapi = compute_rpcapi

    def get(self, context, instance_id, expected_attrs=None, cell_down_support=False):
        """Return the server with the UUID *instance_id*.

        Raises: InstanceNotFound, also if *instance_id* is not a UUID.
        """
        expected_attrs = [
            *(expected_attrs or []), 'metadata', 'system_metadata', 'security_groups', 'info_cache']
        if not uuidutils.is_uuid_like(instance_id):
            raise exception.InstanceNotFound(instance_id=instance_id)
        return self._get_instance(context, instance_id, expected_attrs, cell_down_support=cell_down_support)

    def _get_instance(self, context, instance_uuid, expected_attrs, cell_down_support=False):
        """Return the server from the cell that its mapping names. Left out: a server that is still being built."""
        try:
            inst_map = objects.InstanceMapping.get_by_instance_uuid(context, instance_uuid)
        except exception.InstanceMappingNotFound:
            raise exception.InstanceNotFound(instance_id=instance_uuid)
        if inst_map.cell_mapping is None:
            raise exception.InstanceNotFound(instance_id=instance_uuid)
        return self._get_instance_from_cell(context, inst_map, expected_attrs, cell_down_support)

    def _get_instance_from_cell(self, context, im, expected_attrs, cell_down_support):
        """Return the server from its cell, and leave the context pointing at that cell.

        Left out: what microversion 2.69 shows for a cell that is down.
        """
        set_target_cell(context, im.cell_mapping)
        uuid = im.instance_uuid
        result = scatter_gather_single_cell(
            context, im.cell_mapping, objects.Instance.get_by_uuid, uuid, expected_attrs=expected_attrs)
        cell_uuid = im.cell_mapping.uuid
        instance = result[cell_uuid]
        if isinstance(instance, exception.InstanceNotFound):
            raise exception.InstanceNotFound(instance_id=uuid)
        if isinstance(instance, Exception):
            raise exception.NovaException(
                f'Cell {cell_uuid} is not responding or returned an exception, hence instance info is not available.')
        return instance

    def get_all(self, context, search_opts=None, limit=None, marker=None, expected_attrs=None, sort_keys=None,
                sort_dirs=None, cell_down_support=False, all_tenants=False):
        """Return the servers that match the search options, sorted and paged.

        Left out: servers that are still being built.
        """
        columns = {'image': 'image_ref', 'name': 'display_name', 'tenant_id': 'project_id'}
        filters = {columns.get(name, name): value for name, value in (search_opts or {}).items()}
        return objects.instance_get_all_by_filters_sort(
            context, filters, limit, marker, expected_attrs, sort_keys, sort_dirs)

    def _record_action_start(self, context, instance, action):
        objects.InstanceAction.action_start(context, instance.uuid, action, want_result=False)

    @check_instance_lock
    @check_instance_state(vm_state=['active'])
    def pause(self, context, instance):
        """Set the task state and cast to the server's host, bypassing the conductor."""
        instance.task_state = 'pausing'
        instance.save(expected_task_state=[None])
        self._record_action_start(context, instance, 'pause')
        self.compute_rpcapi.pause_instance(context, instance)

    @block_shares_not_supported()
    @block_extended_resource_request
    @block_port_accelerators()
    @reject_vdpa_instances(LIVE_MIGRATION, until=MIN_COMPUTE_VDPA_HOTPLUG_LIVE_MIGRATION)
    @block_accelerators()
    @reject_legacy_vtpm_live_migration
    @reject_mem_enc_instances(LIVE_MIGRATION)
    @check_instance_lock
    @check_instance_state(vm_state=['active', 'paused'])
    def live_migrate(self, context, instance, block_migration, disk_over_commit, host_name, force=None,
                     async_=False):
        """Set the task state and hand the migration to the conductor."""
        if host_name:
            nodes = objects.ComputeNodeList.get_all_by_host(context, host_name)
        request_spec = objects.RequestSpec.get_by_instance_uuid(context, instance.uuid)
        instance.task_state = 'migrating'
        instance.save(expected_task_state=[None])
        self._record_action_start(context, instance, LIVE_MIGRATION)
        # Before 2.30 force is None, and a host bypasses the scheduler as if it were forced.
        if force is False and host_name:
            # Unset so that the scheduler still runs; the host survives in requested_destination.
            host_name = None
            target = nodes[0]
            request_spec.requested_destination = objects.Destination(
                host=target.host, node=target.hypervisor_hostname)
        try:
            self.compute_task_api.live_migrate_instance(
                context, instance, host_name, block_migration=block_migration,
                disk_over_commit=disk_over_commit, request_spec=request_spec, async_=async_)
        except messaging.MessagingTimeout as messaging_timeout:
            # The conductor may still be working on the migration; the fault lets users see what happened.
            objects.add_instance_fault_from_exc(context, instance, messaging_timeout)
            raise


# ----------------------------------------------------------------------------------------- nova/conductor/api.py


class ComputeTaskAPI:
    """The conductor's API, which still runs in nova-api (nova.conductor.api.ComputeTaskAPI)."""

    def __init__(self, conductor_compute_rpcapi):
        self.conductor_compute_rpcapi = conductor_compute_rpcapi

    def live_migrate_instance(self, context, instance, host_name, block_migration, disk_over_commit,
                              request_spec=None, async_=False):
        """Choose the message: a cast, which does not wait, or a call, which does."""
        scheduler_hint = {'host': host_name}
        if async_:
            self.conductor_compute_rpcapi.live_migrate_instance(
                context, instance, scheduler_hint, block_migration, disk_over_commit, request_spec)
        else:
            self.conductor_compute_rpcapi.migrate_server(
                context, instance, scheduler_hint, True, False, None, block_migration, disk_over_commit, None,
                request_spec=request_spec)


# -------------------------------------------------------------------------------------- nova/conductor/rpcapi.py

RPC_TOPIC = 'conductor'
RPC_RESPONSE_TIMEOUT = 60  # seconds, rpc_response_timeout
LONG_RPC_TIMEOUT = 1800  # seconds, long_rpc_timeout


class ComputeTaskRPCAPI:
    """The client side of the messages (nova.conductor.rpcapi.ComputeTaskAPI)."""

    def __init__(self, transport):
        target = messaging.Target(topic=RPC_TOPIC, namespace='compute_task', version='1.0')
        self.client = get_client(transport, target, serializer=NovaObjectSerializer())

    def live_migrate_instance(self, context, instance, scheduler_hint, block_migration, disk_over_commit,
                              request_spec):
        """Cast: put the message on the bus and return."""
        kw = {
            'instance': instance, 'scheduler_hint': scheduler_hint, 'block_migration': block_migration,
            'disk_over_commit': disk_over_commit, 'request_spec': request_spec,
        }
        version = '1.15'
        cctxt = self.client.prepare(version=version)
        cctxt.cast(context, 'live_migrate_instance', **kw)

    def migrate_server(self, context, instance, scheduler_hint, live, rebuild, flavor, block_migration,
                       disk_over_commit, reservations=None, clean_shutdown=True, request_spec=None, host_list=None,
                       do_cast=False):
        """Call: put the message on the bus and wait; send an older version to an older conductor."""
        kw = {
            'instance': instance, 'scheduler_hint': scheduler_hint, 'live': live, 'rebuild': rebuild,
            'flavor': flavor, 'block_migration': block_migration, 'disk_over_commit': disk_over_commit,
            'reservations': reservations, 'clean_shutdown': clean_shutdown, 'request_spec': request_spec,
            'host_list': host_list,
        }
        version = '1.20'
        if not self.client.can_send_version(version):
            del kw['host_list']
            version = '1.13'
        if not self.client.can_send_version(version):
            del kw['request_spec']
            version = '1.11'
        if not self.client.can_send_version(version):
            del kw['clean_shutdown']
            version = '1.10'
        if not self.client.can_send_version(version):
            kw['flavor'] = flavor and flavor.obj_to_primitive()
            version = '1.6'
        if not self.client.can_send_version(version):
            kw['instance'] = jsonutils.to_primitive(instance.obj_to_primitive())
            version = '1.4'
        cctxt = self.client.prepare(
            version=version, call_monitor_timeout=RPC_RESPONSE_TIMEOUT, timeout=LONG_RPC_TIMEOUT)
        if do_cast:
            return cctxt.cast(context, 'migrate_server', **kw)
        return cctxt.call(context, 'migrate_server', **kw)


# ---------------------------------------------------------------------------------------- nova/compute/rpcapi.py


def _compute_host(host, instance):
    """Return the host that a message goes to: the given one, or else the server's.

    Left out: the case with neither a host nor a server.
    """
    if not (found := host or instance.host):
        raise exception.NovaException(f'Unable to find host for Instance {instance.uuid}')
    return found


class ComputeAPI:
    """The client side of the messages to compute hosts (nova.compute.rpcapi.ComputeAPI).

    Left out: the version cap during an upgrade, and every message except one.
    """

    def __init__(self, transport):
        target = messaging.Target(topic='compute', version='6.0')
        self.router = ClientRouter(get_client(transport, target, serializer=NovaObjectSerializer()))

    def _ver(self, ctxt, old):
        """Return the version to send, 6.0 or *old*; the message is the same in both."""
        return '6.0' if self.router.client(ctxt).can_send_version('6.0') else old

    def pause_instance(self, ctxt, instance):
        """Cast directly to the server's host."""
        version = self._ver(ctxt, '5.0')
        cctxt = self.router.client(ctxt).prepare(server=_compute_host(None, instance), version=version)
        cctxt.cast(ctxt, 'pause_instance', instance=instance)


# -------------------------------------------------------------------------------------------------- nova/rpc.py


class RequestContextSerializer(messaging.Serializer):
    """Convert objects and the request context to plain data and back (nova.rpc.RequestContextSerializer)."""

    def __init__(self, base, api_database=None):
        self._base = base
        self._api_database = api_database

    def serialize_entity(self, context, entity):
        return self._base.serialize_entity(context, entity)

    def deserialize_entity(self, context, entity):
        return self._base.deserialize_entity(context, entity)

    def serialize_context(self, context):
        return context.to_dict()

    def deserialize_context(self, context):
        ctxt = RequestContext.from_dict(context)
        ctxt.api_database = self._api_database
        return ctxt


def get_client(transport, target, version_cap=None, serializer=None, call_monitor_timeout=None):
    # One retry, so that the API responds after a second if there is no broker. Nova sets no limit and retries forever.
    return messaging.get_rpc_client(
        transport, target, version_cap=version_cap, serializer=RequestContextSerializer(serializer),
        call_monitor_timeout=call_monitor_timeout, retry=1)


class ClientRouter:
    """Select the client for a cell's bus (nova.rpc.ClientRouter).

    Left out: all buses except the one that every cell shares here.
    """

    def __init__(self, default_client):
        self.default_client = default_client

    def client(self, context):
        return self.default_client


def get_server(transport, target, endpoints, api_database, serializer=None):
    return messaging.get_rpc_server(
        transport, target, endpoints, serializer=RequestContextSerializer(serializer, api_database),
        access_policy=messaging.DefaultRPCAccessPolicy)


def create_transport(url):
    """Open the bus: memory:// within this process, or any URL that oslo.messaging supports, such as rabbit://."""
    messaging.set_transport_defaults('nova')
    conf, exmods = cfg.CONF, [exception.__name__]  # the library reads its tracing options from the global CONF alone
    if url != 'memory://':
        return messaging.get_rpc_transport(conf, url=url, allowed_remote_exmods=exmods)
    transport = messaging.get_rpc_transport(conf, url='fake://', allowed_remote_exmods=exmods)
    transport._driver = bus.MemoryDriver(conf, url, default_exchange='nova', allowed_remote_exmods=exmods)
    return transport


# ------------------------------------------------------------------------------------- nova/conductor/manager.py


def targets_cell(fn):
    """Point the context at the server's cell before the method runs (nova.conductor.manager.targets_cell)."""

    @functools.wraps(fn)
    def wrapper(self, context, *args, **kwargs):
        instance = kwargs.get('instance') or args[0]
        try:
            im = objects.InstanceMapping.get_by_instance_uuid(context, instance.uuid)
        except exception.InstanceMappingNotFound:
            LOG.error('InstanceMapping not found, unable to target cell')
        else:
            set_target_cell(context, im.cell_mapping)
        return fn(self, context, *args, **kwargs)
    return wrapper


class ComputeTaskManager:
    """The conductor's side of the messages (nova.conductor.manager.ComputeTaskManager); the path ends here.

    Left out: the action's events, which wrap_instance_event records around both methods.
    """

    target = messaging.Target(namespace='compute_task', version='1.26')

    @messaging.expected_exceptions(
        exception.NoValidHost, exception.ComputeServiceUnavailable, exception.ComputeHostNotFound,
        exception.InvalidHypervisorType, exception.InvalidCPUInfo, exception.UnableToMigrateToSelf,
        exception.DestinationHypervisorTooOld, exception.InvalidLocalStorage, exception.InvalidSharedStorage,
        exception.HypervisorUnavailable, exception.InstanceInvalidState, exception.MigrationPreCheckError,
        exception.UnsupportedPolicyException)
    @targets_cell
    def migrate_server(self, context, instance, scheduler_hint, live, rebuild, flavor, block_migration,
                       disk_over_commit, reservations=None, clean_shutdown=True, request_spec=None, host_list=None):
        """Handle the call. Left out: cold migration, which uses the same message."""
        if not live or rebuild or flavor:
            raise NotImplementedError()
        self._live_migrate(context, instance, scheduler_hint, block_migration, disk_over_commit, request_spec)

    @targets_cell
    def live_migrate_instance(self, context, instance, scheduler_hint, block_migration, disk_over_commit,
                              request_spec):
        """Handle the cast."""
        self._live_migrate(context, instance, scheduler_hint, block_migration, disk_over_commit, request_spec)

    def _live_migrate(self, context, instance, scheduler_hint, block_migration, disk_over_commit, request_spec):
        """Build the task for the migration."""
        self._build_live_migrate_task(context, instance, scheduler_hint.get('host'), block_migration, disk_over_commit,
                                      None, request_spec)

    def _build_live_migrate_task(self, context, instance, destination, block_migration, disk_over_commit, migration,
                                 request_spec=None):
        """Log the migration; our path ends here. views/reasons.py describes what Nova does next."""
        wanted = destination or 'a host that the scheduler finds or confirms'
        LOG.info('Live migration of %s to %s taken over', instance.uuid, wanted)


# -------------------------------------------------------------------------------------------------- the wiring


def init_application(api_database, transport, tokens):
    """Build the WSGI application (nova.api.openstack.wsgi_app.init_application).

    Shape: *api_database* is an engine, *transport* comes from create_transport, *tokens* is
    {token: (user, project, roles)}.
    """
    conf = cfg.ConfigOpts()
    compute_api = API(ComputeTaskAPI(ComputeTaskRPCAPI(transport)), ComputeAPI(transport))
    filters = {
        'cors': lambda app: cors.CORS(app, conf),
        'http_proxy_to_wsgi': lambda app: http_proxy_to_wsgi.HTTPProxyToWSGI(app, conf),
        'compute_req_id': lambda app: ComputeReqIdMiddleware(app, conf),
        'faultwrap': FaultWrapper,
        'request_log': RequestLog,
        'sizelimit': lambda app: sizelimit.RequestBodySizeLimiter(app, conf),
        'osprofiler': lambda app: app,  # as in Nova without the library osprofiler
        'authtoken': lambda app: AuthProtocol(app, tokens),
        'keystonecontext': lambda app: NovaKeystoneContext(app, api_database),
        'legacy_v2_compatible': LegacyV2CompatibleWrapper,
    }
    apps = {
        'oscomputeversionapp': Versions(None),
        'oscomputeversionapp_v2': VersionsV2(None),
        'osapi_compute_app_v21': APIRouterV21(compute_api),
    }
    urlmap = URLMap()
    for path, (*names, app_name) in PIPELINES.items():
        urlmap[path] = functools.reduce(lambda app, name: filters[name](app), reversed(names), apps[app_name])
    return urlmap


def start_conductor(api_database, transport, manager, workers=None):
    """Start handling messages from the bus, *workers* at a time; the server returned has stop() and wait()."""
    target = messaging.Target(topic=RPC_TOPIC, server='conductor')
    server = get_server(transport, target, [manager], api_database, serializer=NovaObjectSerializer())
    server.start(override_pool_size=workers)
    return server
