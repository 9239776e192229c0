/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server of httpd.h. One process reads and decides, so that functions may count; whatever takes
 * time (hang, trickle, flood) is left to a child of it. Each process dies with its parent.
 */
#include "httpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct httpd_shared {
	unsigned count;
	struct httpd_seen seen[HTTPD_KEPT];
};

struct httpd {
	pid_t pid;
	int port;
	bool v6;
	enum httpd_tls tls;
	char ca_file[64];
	char urls[4][4352];
	unsigned next_url;
	struct httpd_shared *shared;
};

struct conn {
	int fd;
	SSL *ssl;
};

static ssize_t conn_read(struct conn *c, void *p, size_t n)
{
	if (c->ssl)
		return SSL_read(c->ssl, p, (int)n);
	return recv(c->fd, p, n, 0);
}

static bool conn_write(struct conn *c, const void *data, size_t n)
{
	const char *p = data;

	while (n > 0) {
		ssize_t done = c->ssl ? SSL_write(c->ssl, p, n > 16384 ? 16384 : (int)n)
				      : send(c->fd, p, n, MSG_NOSIGNAL);

		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

static bool conn_puts(struct conn *c, const char *s)
{
	return conn_write(c, s, strlen(s));
}

static void sleep_ms(unsigned ms)
{
	poll(NULL, 0, (int)ms);
}

/* ---- reading a request ---- */

const char *httpd_header(const struct httpd_seen *seen, const char *name, char *out, size_t size)
{
	size_t len = strlen(name);

	out[0] = '\0';
	for (const char *p = strstr(seen->head, "\r\n"); p && p[2] != '\0';
	     p = strstr(p + 2, "\r\n")) {
		const char *line = p + 2, *end = strstr(line, "\r\n");

		if (!end || strncasecmp(line, name, len) != 0 || line[len] != ':')
			continue;
		line += len + 1;
		line += strspn(line, " \t");
		snprintf(out, size, "%.*s", (int)(end - line), line);
		break;
	}
	return out;
}

static bool read_head(struct conn *c, struct httpd_seen *seen)
{
	size_t len = 0;

	/* byte by byte: nothing of the body is taken, and tests are small */
	while (len + 1 < sizeof(seen->head)) {
		if (conn_read(c, seen->head + len, 1) != 1)
			return false;
		seen->head[++len] = '\0';
		if (len >= 4 && memcmp(seen->head + len - 4, "\r\n\r\n", 4) == 0)
			return true;
	}
	return false;
}

static void read_body(struct conn *c, struct httpd_seen *seen)
{
	char text[32], waste[4096];
	size_t want, room = sizeof(seen->body) - 1;

	want = strtoul(httpd_header(seen, "Content-Length", text, sizeof(text)), NULL, 10);
	while (seen->body_len < want) {
		bool keep = seen->body_len < room;
		size_t left = want - seen->body_len,
		       max = keep ? room - seen->body_len : sizeof(waste);
		ssize_t n = conn_read(c, keep ? seen->body + seen->body_len : waste,
				      left < max ? left : max);

		if (n <= 0)
			break;
		seen->body_len += (size_t)n;
	}
	seen->body[seen->body_len < room ? seen->body_len : room] = '\0';
}

static void copy_word(char *out, size_t size, const char *from, const char *end)
{
	size_t n = (size_t)(end - from) < size ? (size_t)(end - from) : size - 1;

	memcpy(out, from, n);
	out[n] = '\0';
}

static bool read_request(struct conn *c, struct httpd_seen *seen)
{
	const char *space, *end;

	seen->body_len = 0;
	seen->body[0] = '\0';
	if (!read_head(c, seen))
		return false;
	space = strchr(seen->head, ' ');
	end = space ? strchr(space + 1, ' ') : NULL;
	if (!end)
		return false;
	copy_word(seen->method, sizeof(seen->method), seen->head, space);
	copy_word(seen->target, sizeof(seen->target), space + 1, end);
	read_body(c, seen);
	return true;
}

/* ---- what the paths mean ---- */

static void path_answer(const struct httpd_seen *seen, unsigned nth, struct httpd_reply *reply,
			void *ctx)
{
	static const struct {
		const char *prefix;
		struct httpd_reply reply;
	} rows[] = {
		{"/ok",
		 {.status = 200,
		  .headers = "Content-Type: application/json\r\n",
		  .body = "{\"ok\":true}"}},
		{"/status/", {.status = -1, .body = "status"}},
		{"/echo", {.status = 200}},
		{"/hang", {.act = HTTPD_HANG}},
		{"/trickle", {.act = HTTPD_TRICKLE}},
		{"/slow/", {.status = 200, .body = "{\"ok\":true}"}},
		{"/flood/", {.act = HTTPD_FLOOD}},
		{"/length/", {.act = HTTPD_LENGTH}},
		{"/cut", {.act = HTTPD_CUT}},
		{"/reset", {.act = HTTPD_RESET}},
		{"/close", {.act = HTTPD_CLOSE}},
		{"/garbage", {.act = HTTPD_RAW, .body = "\x01\x02 SMTP ready\r\n\xff\xfe\r\n\r\n"}},
		{"/redirect", {.status = 302, .headers = "Location: /ok\r\n", .body = "moved"}},
		{"/chunked", {.act = HTTPD_CHUNKED, .status = 200, .body = "{\"ok\":true}"}},
		{"/deep/", {.act = HTTPD_DEEP}},
		{"/manyheaders", {.act = HTTPD_MANY_HEADERS}},
	};

	(void)nth, (void)ctx;
	reply->status = 404;
	reply->body = "no such path";
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = strlen(rows[i].prefix);

		if (strncmp(seen->target, rows[i].prefix, len) != 0)
			continue;
		*reply = rows[i].reply;
		reply->amount = strtoull(seen->target + len, NULL, 10);
		if (reply->status == -1)
			reply->status = (int)reply->amount;
		if (strcmp(rows[i].prefix, "/slow/") == 0)
			reply->delay_ms = (unsigned)reply->amount;
		if (strcmp(rows[i].prefix, "/echo") == 0)
			reply->body = seen->body, reply->body_len = seen->body_len;
		break;
	}
}

/* ---- answering ---- */

static bool put_head(struct conn *c, const struct httpd_reply *r, const char *framing)
{
	char line[128];

	snprintf(line, sizeof(line), "HTTP/1.1 %d X\r\nConnection: close\r\n%s\r\n",
		 r->status ? r->status : 200, framing);
	return conn_puts(c, line) && (!r->headers || conn_puts(c, r->headers)) &&
	       conn_puts(c, "\r\n");
}

static void act_answer(struct conn *c, const struct httpd_reply *r)
{
	size_t n = r->body_len ? r->body_len : r->body ? strlen(r->body) : 0;
	char framing[64];

	snprintf(framing, sizeof(framing), "Content-Length: %zu", n);
	if (put_head(c, r, framing) && n > 0)
		conn_write(c, r->body, n);
}

static void act_chunked(struct conn *c, const struct httpd_reply *r)
{
	const char *p = r->body ? r->body : "";
	char line[32];

	put_head(c, r, "Transfer-Encoding: chunked");
	for (size_t left = strlen(p); left > 0;) {
		size_t n = left < 7 ? left : 7;

		snprintf(line, sizeof(line), "%zx\r\n", n);
		conn_puts(c, line);
		conn_write(c, p, n);
		conn_puts(c, "\r\n");
		p += n;
		left -= n;
	}
	conn_puts(c, "0\r\n\r\n");
}

static void act_hang(struct conn *c, const struct httpd_reply *r)
{
	(void)c, (void)r;
	for (;;)
		pause();
}

static void act_trickle(struct conn *c, const struct httpd_reply *r)
{
	put_head(c, r, "Content-Type: application/json");
	while (conn_puts(c, " "))
		sleep_ms(1000);
}

static bool put_bytes(struct conn *c, uint64_t amount, char byte, bool chunks)
{
	char block[16384], line[32];

	memset(block, byte, sizeof(block));
	while (amount > 0) {
		size_t n = amount < sizeof(block) ? (size_t)amount : sizeof(block);

		snprintf(line, sizeof(line), "%zx\r\n", n);
		if ((chunks && !conn_puts(c, line)) || !conn_write(c, block, n) ||
		    (chunks && !conn_puts(c, "\r\n")))
			return false;
		amount -= n;
	}
	return true;
}

static void act_flood(struct conn *c, const struct httpd_reply *r)
{
	if (put_head(c, r, "Transfer-Encoding: chunked") && put_bytes(c, r->amount, ' ', true))
		conn_puts(c, "0\r\n\r\n");
}

static void act_length(struct conn *c, const struct httpd_reply *r)
{
	char framing[64];

	snprintf(framing, sizeof(framing), "Content-Length: %llu", (unsigned long long)r->amount);
	if (put_head(c, r, framing))
		put_bytes(c, r->amount, ' ', false);
}

static void act_cut(struct conn *c, const struct httpd_reply *r)
{
	if (put_head(c, r, "Content-Length: 1000"))
		conn_puts(c, "0123456789");
}

static void act_reset(struct conn *c, const struct httpd_reply *r)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	(void)r;
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)); /* close() then sends RST */
}

static void act_close(struct conn *c, const struct httpd_reply *r)
{
	(void)c, (void)r;
}

static void act_raw(struct conn *c, const struct httpd_reply *r)
{
	conn_write(c, r->body, r->body_len ? r->body_len : strlen(r->body));
}

static void act_deep(struct conn *c, const struct httpd_reply *r)
{
	char framing[64];

	snprintf(framing, sizeof(framing), "Content-Length: %llu",
		 2 * (unsigned long long)r->amount);
	if (put_head(c, r, framing) && put_bytes(c, r->amount, '[', false))
		put_bytes(c, r->amount, ']', false);
}

static void act_many_headers(struct conn *c, const struct httpd_reply *r)
{
	(void)r;
	conn_puts(c, "HTTP/1.1 200 X\r\n");
	while (conn_puts(
		c, "X-Filler: "
		   "0123456789012345678901234567890123456789012345678901234567890123456789\r\n"))
		;
}

static const struct {
	void (*fn)(struct conn *c, const struct httpd_reply *r);
	bool takes_time;
} acts[] = {
	[HTTPD_ANSWER] = {act_answer, false},  [HTTPD_HANG] = {act_hang, true},
	[HTTPD_TRICKLE] = {act_trickle, true}, [HTTPD_CHUNKED] = {act_chunked, false},
	[HTTPD_FLOOD] = {act_flood, true},     [HTTPD_LENGTH] = {act_length, true},
	[HTTPD_CUT] = {act_cut, false},	       [HTTPD_RESET] = {act_reset, false},
	[HTTPD_CLOSE] = {act_close, false},    [HTTPD_RAW] = {act_raw, false},
	[HTTPD_DEEP] = {act_deep, true},       [HTTPD_MANY_HEADERS] = {act_many_headers, true},
};

static void answer(struct conn *c, const struct httpd_reply *r)
{
	bool child = acts[r->act].takes_time || r->delay_ms > 0 || r->body_len > 65536;

	if (child && fork() != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sleep_ms(r->delay_ms);
	acts[r->act].fn(c, r);
	if (c->ssl && r->act != HTTPD_RESET)
		SSL_shutdown(c->ssl);
	if (child)
		_exit(0);
}

static void serve(struct httpd *h, const struct httpd_setup *setup, struct conn *c)
{
	struct httpd_seen *seen = &h->shared->seen[h->shared->count % HTTPD_KEPT];
	struct httpd_reply reply = {.status = 200};
	httpd_fn *fn = setup->fn ? setup->fn : path_answer;

	if ((c->ssl && SSL_accept(c->ssl) != 1) || !read_request(c, seen))
		return;
	__atomic_add_fetch(&h->shared->count, 1, __ATOMIC_SEQ_CST);
	fn(seen, h->shared->count - 1, &reply, setup->ctx);
	answer(c, &reply);
}

/* ---- TLS ---- */

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (ext)
		X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
}

/* By hand what X509_set_pubkey does: the static file's OpenSSL reads public keys but writes none.
 */
static void put_public_key(X509 *cert, EVP_PKEY *key)
{
	unsigned char *point = NULL;
	size_t len = EVP_PKEY_get1_encoded_public_key(key, &point);

	X509_PUBKEY_set0_param(X509_get_X509_PUBKEY(cert), OBJ_nid2obj(NID_X9_62_id_ecPublicKey),
			       V_ASN1_OBJECT, OBJ_nid2obj(NID_X9_62_prime256v1), point, (int)len);
}

/* The certificate as whoever reads it knows it: with its key. */
static X509 *read_back(X509 *cert)
{
	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der);
	const unsigned char *p = der;
	X509 *again = d2i_X509(NULL, &p, len);

	OPENSSL_free(der);
	X509_free(cert);
	return again;
}

static X509 *make_certificate(EVP_PKEY *key, enum httpd_tls tls)
{
	bool wrong = tls == HTTPD_TLS_WRONG_NAME, expired = tls == HTTPD_TLS_EXPIRED;
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -172800);
	X509_gmtime_adj(X509_getm_notAfter(cert), expired ? -86400 : 86400);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
				   (const unsigned char *)"heat-pulse test", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	put_public_key(cert, key);
	add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
	add_extension(cert, NID_subject_alt_name,
		      wrong ? "DNS:other.example" : "DNS:localhost,IP:127.0.0.1,IP:::1");
	X509_sign(cert, key, EVP_sha256());
	return read_back(cert);
}

static SSL_CTX *make_tls(struct httpd *h)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = make_certificate(key, h->tls);
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	FILE *f;
	int fd;

	SSL_CTX_use_certificate(ctx, cert);
	SSL_CTX_use_PrivateKey(ctx, key);
	snprintf(h->ca_file, sizeof(h->ca_file), "/tmp/httpd-ca-XXXXXX");
	fd = mkstemp(h->ca_file);
	f = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (f) {
		PEM_write_X509(f, cert);
		fclose(f);
	}
	X509_free(cert);
	EVP_PKEY_free(key);
	return ctx;
}

/* ---- start and stop ---- */

static int listen_on(const char *address, int *ret_port)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};
	struct sockaddr_in four = {.sin_family = AF_INET};
	bool v6 = strchr(address, ':') != NULL;
	struct sockaddr *sa = v6 ? (struct sockaddr *)&six : (struct sockaddr *)&four;
	socklen_t len = v6 ? sizeof(six) : sizeof(four);
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(v6 ? AF_INET6 : AF_INET, address,
		  v6 ? (void *)&six.sin6_addr : (void *)&four.sin_addr);
	if (fd < 0)
		return -1;
	if (bind(fd, sa, len) < 0 || listen(fd, 64) < 0 || getsockname(fd, sa, &len) < 0) {
		close(fd);
		return -1;
	}
	*ret_port = ntohs(v6 ? six.sin6_port : four.sin_port);
	return fd;
}

static void __attribute__((noreturn))
serve_for_ever(struct httpd *h, const struct httpd_setup *setup, int fd, SSL_CTX *tls)
{
	struct timeval patience = {.tv_sec = 5};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		struct conn c = {.fd = accept(fd, NULL, NULL)};

		if (c.fd < 0)
			continue;
		setsockopt(c.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		c.ssl = tls ? SSL_new(tls) : NULL;
		if (c.ssl)
			SSL_set_fd(c.ssl, c.fd);
		serve(h, setup, &c);
		SSL_free(c.ssl);
		close(c.fd);
	}
}

struct httpd *httpd_start(const struct httpd_setup *setup)
{
	struct httpd *h = calloc(1, sizeof(*h));
	SSL_CTX *tls = NULL;
	int fd;

	h->tls = setup->tls;
	h->v6 = setup->address && strchr(setup->address, ':');
	fd = listen_on(setup->address ? setup->address : "127.0.0.1", &h->port);
	if (fd < 0) {
		free(h);
		return NULL;
	}
	h->shared = mmap(NULL, sizeof(*h->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (setup->tls != HTTPD_PLAIN)
		tls = make_tls(h);
	h->pid = fork();
	if (h->pid == 0)
		serve_for_ever(h, setup, fd, tls);
	setpgid(h->pid, h->pid); /* also here: whoever comes first, before httpd_stop() */
	SSL_CTX_free(tls);
	close(fd);
	return h;
}

struct httpd *httpd_stop(struct httpd *h)
{
	if (!h)
		return NULL;
	kill(-h->pid, SIGKILL);
	waitpid(h->pid, NULL, 0);
	if (h->ca_file[0])
		unlink(h->ca_file);
	munmap(h->shared, sizeof(*h->shared));
	free(h);
	return NULL;
}

int httpd_port(const struct httpd *h)
{
	return h->port;
}

const char *httpd_url(struct httpd *h, const char *path)
{
	char *out = h->urls[h->next_url++ % 4];

	snprintf(out, sizeof(h->urls[0]), "%s://%s:%d%s", h->tls == HTTPD_PLAIN ? "http" : "https",
		 h->v6 ? "[::1]" : "127.0.0.1", h->port, path);
	return out;
}

const char *httpd_ca_file(const struct httpd *h)
{
	return h->ca_file[0] ? h->ca_file : NULL;
}

unsigned httpd_count(const struct httpd *h)
{
	return __atomic_load_n(&h->shared->count, __ATOMIC_SEQ_CST);
}

const struct httpd_seen *httpd_seen(const struct httpd *h, unsigned nth)
{
	unsigned count = httpd_count(h);

	if (nth >= count || count - nth > HTTPD_KEPT)
		return NULL;
	return &h->shared->seen[nth % HTTPD_KEPT];
}
