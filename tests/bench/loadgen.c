/* The load generator: thousands of websocket clients in one thread, each of which checks what it is sent.
 *
 *     cc -O2 -o loadgen loadgen.c && ./loadgen --help
 *
 * Measured: deliveries and posts a second, latency from the moment a message was due to the moment each receiver has
 * it (so a server that stalls is charged for the messages that had to wait, too), connects a second, and processor time
 * and memory of the server's processes, from /proc. Prints one JSON object.
 *
 * Verified: every message's text begins with MARK, then sender, number and time in hexadecimal. For each receiver and
 * each sender in its room the count and a sum of hashes of the numbers must be those of what was sent (exactly once),
 * and the numbers must come one after the other (in order). A delivery to somebody of another room counts as foreign.
 * Acknowledgements are held against the posts in the same way. "ok" is true only if all of it holds.
 *
 * Speaks Socket.IO v5 over Engine.IO v4, websocket only; with --raw plain text frames, for the server in C.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MARK "zqx"        /* letters and digits only: nothing that Markdown or @mentions would look at */
#define MARK_BYTES 35     /* MARK, 8 digits of sender, 8 of number, 16 of time */
#define LONGEST_TEXT 20000
#define MOST_TARGETS 64
#define TIMES 1024        /* posts of one sender that may be without an answer */

enum { CONNECT_ID = 0, FIRST_POST_ID = 1 }; /* acknowledgement ids: joining or resuming; posts are number + 1 */

/* ---- what was asked for ----------------------------------------------------------------------------------------- */

static struct {
    int connections, senders, room_size, first_room, window, text_bytes, at_once, stalled, sender_target, away;
    double rate, duration, drain, settle, hold, connect_timeout;
    bool raw, acks, window_by_ack, storm;
    const char *path, *namespace, *origin, *ready_event, *join_event, *join_args, *resume_event, *send_event, *send_args;
} ask = {
    .connections = 100, .senders = 1, .first_room = 1, .text_bytes = 200, .at_once = 64, .sender_target = -1,
    .duration = 3, .drain = 10, .settle = 0.3, .connect_timeout = 60,
    .path = "/socket.io/?EIO=4&transport=websocket", .namespace = "", .send_event = "message",
    .send_args = "{\"room\":{room},\"text\":\"{text}\",\"key\":\"{key}\"}",
};
static struct sockaddr_in targets[MOST_TARGETS];
static int target_count, pids[MOST_TARGETS], pid_count;
static char **cookies;
static int cookie_count;

/* ---- small things ----------------------------------------------------------------------------------------------- */

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint64_t after(double seconds) { return now() + (uint64_t)(seconds * 1e9); }

static uint64_t hash(uint64_t x) { /* splitmix64 */
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

static void give_up(const char *what) {
    perror(what);
    exit(2);
}

static void *zeroed(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory) give_up("memory");
    return memory;
}

/* Values in nanoseconds, by size: 128 steps for each power of two, so a percentile is right within 0.8 %. */
enum { STEPS = 128, BUCKETS = 64 * STEPS };
struct histogram { uint64_t buckets[BUCKETS], count, largest; };
static struct histogram latency, latency_across, answer_time, connect_time, return_time;

static void note(struct histogram *h, uint64_t value) {
    int power = value < STEPS ? 0 : 63 - __builtin_clzll(value) - 6;
    int bucket = power ? power * STEPS + (int)((value >> (power - 1)) - STEPS) : (int)value;
    h->buckets[bucket]++;
    h->count++;
    if (value > h->largest) h->largest = value;
}

static double percentile(const struct histogram *h, double share) { /* in milliseconds */
    uint64_t wanted = (uint64_t)(h->count * share), seen = 0;
    for (int i = 0; i < BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen > wanted) {
            int power = i / STEPS;
            uint64_t value = power ? ((uint64_t)(i % STEPS) + STEPS) << (power - 1) : (uint64_t)i;
            return value / 1e6;
        }
    }
    return h->largest / 1e6;
}

/* ---- the connections -------------------------------------------------------------------------------------------- */

enum state { DEAD, DIALLING, UPGRADING, OPENING, ENTERING, JOINING, RESUMING, READY };

struct connection {
    int fd, room, target;
    enum state state;
    bool stalled, sender, waits_to_write;
    uint64_t began;                          /* when it was dialled */
    unsigned char *in; size_t in_length, in_size;   /* an unfinished frame */
    char *out; size_t out_length, out_size, out_done; /* what the socket would not take yet */
    char *cursors;                           /* of the first hello: what it resumes from */
    int slot;                                /* among the senders of its room */
    uint32_t posts, answers;                 /* posts: also the next number */
    uint64_t post_sum, answer_sum, *sent_at;
};

struct received { uint32_t next, count; uint64_t sum; }; /* by one receiver from one sender */

static struct connection *all;
static struct received **received;
static int *sender_ids, *senders_in, *readers_in, room_count, sender_count;
static int epoll, dialling, ready_count;
static bool sending, coming_back;
static uint64_t run_id;

static struct {
    uint64_t posts, deliveries, expected, bytes, out_of_order, foreign, errors, closed, refused, answers, pings;
    uint64_t last_delivery, last_answer;
    char first_error[160];
} seen;

static void complain(const char *what, const void *detail, size_t length) {
    if (!seen.errors++)
        snprintf(seen.first_error, sizeof seen.first_error, "%s %.*s", what, (int)(length < 120 ? length : 120),
                 (const char *)detail);
}

static void drop(struct connection *c) {
    if (c->state == DEAD) return;
    if (c->state == READY) ready_count--;
    else dialling--;
    close(c->fd);
    c->state = DEAD;
    c->in_length = c->out_length = c->out_done = 0;
}

static void lose(struct connection *c) { /* the server ended it, or it broke */
    if (c->state == DEAD) return;
    drop(c);
    seen.closed++;
}

static void watch(struct connection *c, bool writing) {
    bool reads = !(c->stalled && c->state == READY);
    struct epoll_event event = {(reads ? EPOLLIN : 0) | (writing ? EPOLLOUT : 0), {.u32 = c - all}};
    epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event);
    c->waits_to_write = writing;
}

static void write_bytes(struct connection *c, const char *bytes, size_t length) {
    if (c->state == DEAD) return;
    if (c->out_length == c->out_done) {
        ssize_t written = send(c->fd, bytes, length, MSG_NOSIGNAL);
        if (written < 0 && errno != EAGAIN) { lose(c); return; }
        if (written > 0) { bytes += written; length -= written; }
        c->out_length = c->out_done = 0;
        if (!length) return;
    }
    if (c->out_length + length > c->out_size) {
        c->out_size = (c->out_length + length) * 2;
        if (!(c->out = realloc(c->out, c->out_size))) give_up("memory");
    }
    memcpy(c->out + c->out_length, bytes, length);
    c->out_length += length;
    if (!c->waits_to_write) watch(c, true);
}

static void write_frame(struct connection *c, int opcode, const char *payload, size_t length) {
    static char frame[LONGEST_TEXT * 2];
    static uint64_t masks;
    if (length + 8 > sizeof frame) { complain("too long to send", "", 0); return; }
    size_t at = 2;
    frame[0] = (char)(0x80 | opcode);
    if (length < 126) frame[1] = (char)(0x80 | length);
    else { frame[1] = (char)(0x80 | 126); frame[2] = (char)(length >> 8); frame[3] = (char)length; at = 4; }
    uint32_t mask = (uint32_t)hash(++masks);
    memcpy(frame + at, &mask, 4);
    for (size_t i = 0; i < length; i++) frame[at + 4 + i] = payload[i] ^ frame[at + (i & 3)];
    write_bytes(c, frame, at + 4 + length);
}

/* A template with {room}, {text} and {key} filled in; the key is a new one for each post, in the form of a UUID. */
static size_t fill(char *out, size_t size, const char *template, const struct connection *c, const char *text) {
    size_t n = 0;
    while (*template && n + 64 < size) {
        if (!strncmp(template, "{room}", 6)) {
            n += snprintf(out + n, size - n, "%d", ask.first_room + c->room);
            template += 6;
        } else if (!strncmp(template, "{text}", 6)) {
            n += snprintf(out + n, size - n, "%s", text);
            template += 6;
        } else if (!strncmp(template, "{key}", 5)) {
            uint64_t unique = hash(run_id ^ ((uint64_t)(c - all) << 32 | c->posts));
            n += snprintf(out + n, size - n, "%08x-%04x-4%03x-8%03x-%012llx", (uint32_t)run_id,
                          (uint32_t)(unique >> 48), (uint32_t)(unique >> 36) & 0xfff, (uint32_t)(unique >> 24) & 0xfff,
                          (unsigned long long)((uint64_t)(c - all) << 32 | c->posts) & 0xffffffffffff);
            template += 5;
        } else out[n++] = *template++;
    }
    out[n] = 0;
    return n;
}

static void emit(struct connection *c, const char *event, const char *args, int answer_id) {
    static char packet[LONGEST_TEXT * 2];
    char id[16] = "";
    if (answer_id >= 0) snprintf(id, sizeof id, "%d", answer_id);
    int n = snprintf(packet, sizeof packet, "42%s%s%s[\"%s\",%s]", ask.namespace, *ask.namespace ? "," : "", id, event,
                     args);
    write_frame(c, 1, packet, n);
}

/* ---- becoming ready --------------------------------------------------------------------------------------------- */

static void dial(struct connection *c) {
    int on = 1, little = 4096;
    if ((c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)) < 0) give_up("socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (c->stalled) setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
    c->state = DIALLING;
    c->began = now();
    c->waits_to_write = true;
    dialling++;
    struct epoll_event event = {EPOLLIN | EPOLLOUT, {.u32 = c - all}};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event)) give_up("epoll");
    if (connect(c->fd, (void *)&targets[c->target], sizeof targets[0]) && errno != EINPROGRESS) lose(c);
}

static void upgrade(struct connection *c) {
    char request[4096], host[64];
    snprintf(host, sizeof host, "127.0.0.1:%d", ntohs(targets[c->target].sin_port));
    int n = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                     "Origin: %s%s\r\n%s%s%s\r\n",
                     ask.path, host, ask.origin ? ask.origin : "http://", ask.origin ? "" : host,
                     cookie_count ? "Cookie: " : "", cookie_count ? cookies[(c - all) % cookie_count] : "",
                     cookie_count ? "\r\n" : "");
    c->state = UPGRADING;
    write_bytes(c, request, n);
}

static void become_ready(struct connection *c) {
    c->state = READY;
    ready_count++;
    dialling--;
    note(coming_back ? &return_time : &connect_time, now() - c->began);
    if (c->stalled) watch(c, false);
}

static void join(struct connection *c) {
    char args[256];
    c->state = JOINING;
    if (ask.raw) {
        int n = snprintf(args, sizeof args, "join:%d", ask.first_room + c->room);
        write_frame(c, 1, args, n);
    } else if (ask.join_event) {
        fill(args, sizeof args, ask.join_args, c, "");
        emit(c, ask.join_event, args, CONNECT_ID);
    } else if (!ask.ready_event) become_ready(c);
}

/* "epoch":"…" and "streams":{…} of a hello, as they stand: the body of a resume. */
static void keep_cursors(struct connection *c, const char *hello, size_t length) {
    const char *epoch = memmem(hello, length, "\"epoch\":\"", 9), *streams = memmem(hello, length, "\"streams\":{", 11);
    if (c->cursors || !epoch || !streams) return;
    const char *end = hello + length, *epoch_end = memchr(epoch + 9, '"', end - epoch - 9);
    const char *streams_end = memchr(streams, '}', end - streams);
    if (!epoch_end || !streams_end) return;
    if (asprintf(&c->cursors, "{%.*s,%.*s,\"all\":true}", (int)(epoch_end + 1 - epoch), epoch,
                 (int)(streams_end + 1 - streams), streams) < 0) give_up("memory");
}

static void welcomed(struct connection *c, const char *hello, size_t length) {
    if (ask.resume_event) keep_cursors(c, hello, length);
    if (coming_back && ask.resume_event && c->cursors) {
        c->state = RESUMING;
        emit(c, ask.resume_event, c->cursors, CONNECT_ID);
    } else become_ready(c);
}

/* ---- posting, and what comes of it ------------------------------------------------------------------------------ */

static void post(struct connection *c, uint64_t due) {
    static char text[LONGEST_TEXT + 1], args[LONGEST_TEXT + 256];
    static const char words[] = " the boat came in at slack water and the gauge read two and a half metres,";
    snprintf(text, sizeof text, MARK "%08x%08x%016llx", (uint32_t)(c - all), c->posts, (unsigned long long)due);
    for (int i = MARK_BYTES; i < ask.text_bytes; i++) text[i] = words[(i - MARK_BYTES) % (sizeof words - 1)];
    if (ask.text_bytes > MARK_BYTES) text[ask.text_bytes - 1] = '.';
    text[ask.text_bytes] = 0;
    size_t n = ask.raw ? (size_t)ask.text_bytes : fill(args, sizeof args, ask.send_args, c, text);
    uint32_t number = c->posts++;
    c->post_sum += hash(number);
    c->sent_at[number % TIMES] = due;
    seen.posts++;
    seen.expected += readers_in[c->room];
    if (ask.raw) write_frame(c, 1, text, n);
    else emit(c, ask.send_event, args, ask.acks ? (int)number + FIRST_POST_ID : -1);
}

static uint64_t digits(const unsigned char *p, int count) {
    uint64_t value = 0;
    for (int i = 0; i < count; i++) value = value << 4 | (p[i] <= '9' ? p[i] - '0' : (p[i] | 32) - 'a' + 10);
    return value;
}

static void take(struct connection *c, const unsigned char *mark, bool live) {
    uint32_t from = (uint32_t)digits(mark + 3, 8), number = (uint32_t)digits(mark + 11, 8);
    uint64_t due = digits(mark + 19, 16), moment = now();
    struct connection *sender = from < (uint32_t)ask.connections ? &all[from] : NULL;
    if (!sender || !sender->sender || sender->room != c->room) { seen.foreign++; return; }
    struct received *r = &received[c - all][sender->slot];
    if (number != r->next) seen.out_of_order++;
    r->next = number + 1;
    r->count++;
    r->sum += hash(number);
    seen.deliveries++;
    seen.last_delivery = moment;
    if (live) note(sender->target == c->target ? &latency : &latency_across, moment - due);
    if (sender == c && sending && ask.window && !ask.window_by_ack) post(c, moment);
}

static const char TEXT[] = "\"text\":\"" MARK; /* a message; its text is in the frame again as HTML */
enum { TEXT_BYTES = sizeof TEXT - 1 };

/* A frame has one message. It is mostly where it was in the frame before, and looking elsewhere costs more than all
 * else that happens here. */
static void take_frame(struct connection *c, const unsigned char *frame, size_t length) {
    static size_t usual;
    const unsigned char *at = frame + usual;
    if (usual + TEXT_BYTES > length || memcmp(at, TEXT, TEXT_BYTES)) at = memmem(frame, length, TEXT, TEXT_BYTES);
    if (!at) return;
    usual = at - frame;
    at += TEXT_BYTES - strlen(MARK);
    if (frame + length - at >= MARK_BYTES) take(c, at, true);
}

/* An answer to a resume has all that was missed. */
static void take_missed(struct connection *c, const unsigned char *answer, size_t length) {
    const unsigned char *end = answer + length, *at = answer;
    while ((at = memmem(at, end - at, TEXT, TEXT_BYTES)) && end - at > TEXT_BYTES + MARK_BYTES) {
        at += TEXT_BYTES - strlen(MARK);
        take(c, at, false);
    }
}

static void answered(struct connection *c, int id, const unsigned char *body, size_t length) {
    bool fine = memmem(body, length < 40 ? length : 40, "\"ok\":true", 9) != NULL;
    if (id == CONNECT_ID && (c->state == JOINING || c->state == RESUMING)) {
        if (!fine) complain("refused:", body, length);
        if (c->state == RESUMING) take_missed(c, body, length);
        if (fine) become_ready(c);
        else lose(c);
        return;
    }
    if (id < FIRST_POST_ID || !c->sent_at) { complain("an answer nobody asked for:", body, length); return; }
    uint32_t number = id - FIRST_POST_ID;
    c->answers++;
    c->answer_sum += hash(number);
    seen.last_answer = now();
    note(&answer_time, seen.last_answer - c->sent_at[number % TIMES]);
    if (fine) seen.answers++;
    else {
        seen.refused++;
        if (seen.refused == 1) complain("refused:", body, length);
    }
    if (sending && ask.window && ask.window_by_ack) post(c, now());
}

static void got_text(struct connection *c, const unsigned char *p, size_t n) {
    if (ask.raw) {
        if (c->state == JOINING && n == 6 && !memcmp(p, "joined", 6)) become_ready(c);
        else take_frame(c, p, n);
        return;
    }
    if (!n) return;
    if (p[0] == '0' && c->state == OPENING) {
        char packet[128];
        c->state = ENTERING;
        write_frame(c, 1, packet, snprintf(packet, sizeof packet, "40%s%s", ask.namespace, *ask.namespace ? "," : ""));
        return;
    }
    if (p[0] == '2') { seen.pings++; write_frame(c, 1, "3", 1); return; }
    if (p[0] == '6') return;
    size_t name = strlen(ask.namespace), at = 2 + (name ? name + 1 : 0);
    if (p[0] != '4' || n < at || memcmp(p + 2, ask.namespace, name)) { complain("unexpected packet:", p, n); return; }
    switch (p[1]) {
    case '0':
        if (c->state == ENTERING) join(c);
        return;
    case '1': case '4':
        complain("refused:", p, n);
        lose(c);
        return;
    case '3': {
        int id = 0;
        while (at < n && p[at] >= '0' && p[at] <= '9') id = id * 10 + p[at++] - '0';
        answered(c, id, p + at, n - at);
        return;
    }
    case '2': {
        size_t event = ask.ready_event ? strlen(ask.ready_event) : 0;
        if (c->state == JOINING && event && n > at + 2 + event && !memcmp(p + at + 2, ask.ready_event, event))
            welcomed(c, (const char *)p + at, n - at);
        else take_frame(c, p + at, n - at);
        return;
    }
    default:
        complain("unexpected packet:", p, n);
    }
}

/* ---- reading and writing ---------------------------------------------------------------------------------------- */

/* Handle every whole frame; returns how many bytes that was. */
static size_t parse(struct connection *c, const unsigned char *bytes, size_t length) {
    size_t at = 0;
    if (c->state == UPGRADING) {
        const unsigned char *end = memmem(bytes, length, "\r\n\r\n", 4);
        if (!end) return 0;
        if (memcmp(bytes + 9, "101", 3)) { complain("no websocket:", bytes, length); lose(c); return length; }
        at = end + 4 - bytes;
        c->state = OPENING;
        if (ask.raw) join(c);
    }
    while (c->state != DEAD && length - at >= 2) {
        const unsigned char *frame = bytes + at;
        size_t header = 2;
        uint64_t size = frame[1] & 127;
        if (size == 126) header = 4;
        else if (size == 127) header = 10;
        if (length - at < header) break;
        if (header > 2) size = 0;
        for (size_t i = 2; i < header; i++) size = size << 8 | frame[i];
        if (length - at < header + size) break;
        int opcode = frame[0] & 15;
        if (frame[0] & 0x70 || !(frame[0] & 0x80) || frame[1] & 0x80) complain("a frame as no server sends it", "", 0);
        else if (opcode == 1) got_text(c, frame + header, size);
        else if (opcode == 9) write_frame(c, 10, (const char *)frame + header, size);
        else if (opcode == 8) lose(c);
        else if (opcode != 10) complain("a frame of an unknown kind", "", 0);
        at += header + size;
    }
    return c->state == DEAD ? length : at;
}

static void read_from(struct connection *c) {
    static unsigned char buffer[4 << 20];
    size_t before = c->in_length;
    if (before == sizeof buffer) { complain("a frame too long", "", 0); lose(c); return; }
    if (before) memcpy(buffer, c->in, before);
    size_t most = before ? sizeof buffer - before : 256 << 10;
    ssize_t got = recv(c->fd, buffer + before, most, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) { lose(c); return; }
    seen.bytes += got;
    size_t length = before + got, used = parse(c, buffer, length), rest = length - used;
    c->in_length = 0;
    if (c->state == DEAD || !rest) return;
    if (rest > c->in_size) {
        c->in_size = rest * 2;
        if (!(c->in = realloc(c->in, c->in_size))) give_up("memory");
    }
    memcpy(c->in, buffer + used, rest);
    c->in_length = rest;
}

static void write_to(struct connection *c) {
    if (c->state == DIALLING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) { complain("connect:", strerror(error), strlen(strerror(error))); lose(c); return; }
        watch(c, false);
        upgrade(c);
        return;
    }
    while (c->out_done < c->out_length) {
        ssize_t written = send(c->fd, c->out + c->out_done, c->out_length - c->out_done, MSG_NOSIGNAL);
        if (written < 0) {
            if (errno != EAGAIN) lose(c);
            return;
        }
        c->out_done += written;
    }
    c->out_length = c->out_done = 0;
    watch(c, false);
}

/* ---- the server's processes, as /proc tells --------------------------------------------------------------------- */

static double cpu_seconds(void) { /* user and system, of all of them */
    double total = 0;
    for (int i = 0; i < pid_count; i++) {
        char path[64], line[2048];
        snprintf(path, sizeof path, "/proc/%d/stat", pids[i]);
        FILE *file = fopen(path, "r");
        if (!file) continue;
        size_t n = fread(line, 1, sizeof line - 1, file);
        fclose(file);
        line[n] = 0;
        unsigned long user, system;
        char *rest = strrchr(line, ')');
        if (rest && sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) == 2)
            total += (double)(user + system) / sysconf(_SC_CLK_TCK);
    }
    return total;
}

static long rss_kb(void) {
    long total = 0;
    for (int i = 0; i < pid_count; i++) {
        char path[64], line[256];
        snprintf(path, sizeof path, "/proc/%d/status", pids[i]);
        FILE *file = fopen(path, "r");
        if (!file) continue;
        long value;
        while (fgets(line, sizeof line, file))
            if (sscanf(line, "VmRSS: %ld", &value) == 1) total += value;
        fclose(file);
    }
    return total;
}

static double own_cpu_seconds(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static long rss_peak;
static uint64_t rss_next;

static void watch_memory(void) { /* five times a second */
    if (now() < rss_next) return;
    rss_next = after(0.2);
    long rss = rss_kb();
    if (rss > rss_peak) rss_peak = rss;
}

/* ---- the run ---------------------------------------------------------------------------------------------------- */

static void turn(uint64_t nanoseconds) {
    static struct epoll_event events[512];
    struct timespec wait = {nanoseconds / 1000000000, nanoseconds % 1000000000};
    int count = epoll_pwait2(epoll, events, 512, &wait, NULL);
    for (int i = 0; i < count; i++) {
        struct connection *c = &all[events[i].data.u32];
        if (c->state == DEAD) continue;
        if (events[i].events & EPOLLOUT || c->state == DIALLING) write_to(c);
        if (c->state == DEAD || c->state == DIALLING) continue;
        if (c->stalled && c->state == READY) { /* told even though nothing is watched: the server has ended it */
            if (events[i].events & (EPOLLHUP | EPOLLERR)) epoll_ctl(epoll, EPOLL_CTL_DEL, c->fd, NULL);
            continue;
        }
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_from(c);
    }
}

static void pass(double seconds) {
    for (uint64_t end = after(seconds); now() < end;) { turn(20000000); watch_memory(); }
}

/* Dial everyone who is not there, at most `at_once` at the same time, until all are ready. Returns the seconds. */
static double connect_everyone(void) {
    uint64_t began = now(), end = after(ask.connect_timeout), closed = seen.closed;
    int next = 0;
    while (ready_count + (int)(seen.closed - closed) < ask.connections && now() < end) {
        while (next < ask.connections && dialling < ask.at_once) {
            if (all[next].state == DEAD) dial(&all[next]);
            next++;
        }
        turn(20000000);
    }
    return (now() - began) / 1e9;
}

static void send_at_a_rate(uint64_t began, uint64_t end) {
    double every = 1e9 / ask.rate;
    for (uint64_t k = 0;;) {
        uint64_t moment = now(), due = began + (uint64_t)(k * every);
        if (moment >= end || due >= end) return;
        if (moment < due) { turn(due - moment); continue; }
        struct connection *c = &all[sender_ids[k++ % sender_count]];
        if (c->state == READY) post(c, due);
        turn(0);
        watch_memory();
    }
}

static void keep_windows_full(uint64_t end) {
    for (int i = 0; i < ask.window; i++)
        for (int k = 0; k < sender_count; k++)
            if (all[sender_ids[k]].state == READY) post(&all[sender_ids[k]], now());
    while (now() < end) { turn(20000000); watch_memory(); }
}

static bool settled(void) {
    return seen.deliveries >= seen.expected && (!ask.acks || ask.raw || seen.answers + seen.refused >= seen.posts);
}

static void wait_for_the_rest(void) {
    for (uint64_t end = after(ask.drain); !settled() && now() < end;) { turn(20000000); watch_memory(); }
}

/* Everyone but the senders is cut off, the senders post `away` messages each, and everyone comes back. */
static double storm(double *cpu) {
    for (int i = 0; i < ask.connections; i++)
        if (!all[i].sender || !ask.away) drop(&all[i]);
    pass(1);
    for (int n = 0; n < ask.away; n++)
        for (int k = 0; k < sender_count; k++) {
            uint64_t answered_by = after(ask.drain);
            post(&all[sender_ids[k]], now());
            while (ask.acks && seen.answers + seen.refused + 32 < seen.posts && now() < answered_by) turn(20000000);
        }
    for (uint64_t end = after(ask.drain); seen.answers + seen.refused < seen.posts && ask.acks && now() < end;)
        turn(20000000);
    pass(0.5);
    coming_back = true;
    *cpu = cpu_seconds();
    double seconds = connect_everyone();
    *cpu = cpu_seconds() - *cpu;
    wait_for_the_rest();
    return seconds;
}

/* ---- the verdict ------------------------------------------------------------------------------------------------ */

static struct { uint64_t missing, duplicated, wrong, unanswered; } verdict;

static void judge(void) {
    for (int i = 0; i < ask.connections; i++) {
        if (all[i].stalled) continue;
        for (int k = 0; k < sender_count; k++) {
            struct connection *sender = &all[sender_ids[k]];
            if (sender->room != all[i].room) continue;
            struct received *r = &received[i][sender->slot];
            if (r->count < sender->posts) verdict.missing += sender->posts - r->count;
            else if (r->count > sender->posts) verdict.duplicated += r->count - sender->posts;
            else if (r->sum != sender->post_sum) verdict.wrong++;
        }
    }
    for (int k = 0; k < sender_count && ask.acks; k++) {
        struct connection *sender = &all[sender_ids[k]];
        if (sender->answers != sender->posts || sender->answer_sum != sender->post_sum) verdict.unanswered++;
    }
}

static int stalled_alive(void) { /* read what they left, to see whether the server has ended them */
    static char buffer[1 << 16];
    int alive = 0;
    for (int i = 0; i < ask.connections; i++) {
        if (!all[i].stalled || all[i].state != READY) continue;
        ssize_t got;
        while ((got = recv(all[i].fd, buffer, sizeof buffer, 0)) > 0) {}
        alive += got < 0 && errno == EAGAIN;
    }
    return alive;
}

static bool first_field = true;

static void say(const char *name, const char *format, ...) {
    va_list values;
    va_start(values, format);
    printf("%s\"%s\": ", first_field ? "{" : ", ", name);
    vprintf(format, values);
    va_end(values);
    first_field = false;
}

static void say_times(const char *name, const struct histogram *h) {
    say(name, "{\"n\": %llu, \"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"max\": %.3f}", (unsigned long long)h->count,
        percentile(h, 0.5), percentile(h, 0.9), percentile(h, 0.99), h->largest / 1e6);
}

static void say_text(const char *name, const char *text) {
    char clean[512];
    size_t n = 0;
    for (; *text && n + 3 < sizeof clean; text++) {
        if (*text == '"' || *text == '\\') clean[n++] = '\\';
        clean[n++] = *text < ' ' && *text >= 0 ? ' ' : *text;
    }
    clean[n] = 0;
    say(name, "\"%s\"", clean);
}

/* ---- what is asked on the command line -------------------------------------------------------------------------- */

static void read_targets(char *list) {
    for (char *item = strtok(list, ","); item && target_count < MOST_TARGETS; item = strtok(NULL, ",")) {
        char *colon = strchr(item, ':');
        struct sockaddr_in *t = &targets[target_count++];
        t->sin_family = AF_INET;
        t->sin_port = htons(atoi(colon ? colon + 1 : item));
        if (colon) *colon = 0;
        if (inet_pton(AF_INET, colon ? item : "127.0.0.1", &t->sin_addr) != 1) give_up("--target");
    }
}

static void read_cookies(const char *name) {
    FILE *file = fopen(name, "r");
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    if (!file) give_up(name);
    while ((n = getline(&line, &size, file)) > 0) {
        line[strcspn(line, "\r\n")] = 0;
        if (!(cookies = realloc(cookies, (cookie_count + 1) * sizeof *cookies))) give_up("memory");
        if (*line) cookies[cookie_count++] = strdup(line);
    }
    free(line);
    fclose(file);
}

static const char usage[] =
    "loadgen --target [HOST:]PORT[,…]   where to connect; several are taken in turn\n"
    "  --connections N --room-size N --first-room ID   rooms are filled one after the other\n"
    "  --senders N --sender-target N --text-bytes N    spread over the rooms; all of them at one target\n"
    "  --rate N | --window N [--window-by-ack]         posts a second in all | posts of a sender under way\n"
    "  --duration S --drain S --settle S --hold S      send, wait for the rest; wait before, hold idle\n"
    "  --acks                                          ask for an answer to each post, and check it\n"
    "  --stalled N                                     the last N never read again once they are in\n"
    "  --storm [--away N]                              cut everyone off; N posts each meanwhile; all come back\n"
    "  --at-once N --connect-timeout S                 connections being made at the same time\n"
    "  --namespace NS --path P --origin O --cookies FILE   one Cookie header a line, one for each connection\n"
    "  --ready-event E | --join-event E --join-args A  in when that comes | when that is answered; else when connected\n"
    "  --resume-event E                                sent on coming back, with the numbers of the first ready event\n"
    "  --send-event E --send-args A                    A may hold {room}, {text}, {key}\n"
    "  --pids P[,P]                                    whose processor time and memory are measured\n"
    "  --raw                                           plain text frames instead of Socket.IO\n";

static void read_options(int count, char **values) {
    static const struct { const char *name; int kind; void *where; } known[] = {
        {"connections", 'i', &ask.connections}, {"senders", 'i', &ask.senders}, {"room-size", 'i', &ask.room_size},
        {"first-room", 'i', &ask.first_room}, {"window", 'i', &ask.window}, {"text-bytes", 'i', &ask.text_bytes},
        {"at-once", 'i', &ask.at_once}, {"stalled", 'i', &ask.stalled}, {"sender-target", 'i', &ask.sender_target},
        {"away", 'i', &ask.away}, {"rate", 'd', &ask.rate}, {"duration", 'd', &ask.duration},
        {"drain", 'd', &ask.drain}, {"settle", 'd', &ask.settle}, {"hold", 'd', &ask.hold},
        {"connect-timeout", 'd', &ask.connect_timeout}, {"raw", 'b', &ask.raw}, {"acks", 'b', &ask.acks},
        {"window-by-ack", 'b', &ask.window_by_ack}, {"storm", 'b', &ask.storm}, {"path", 's', &ask.path},
        {"namespace", 's', &ask.namespace}, {"origin", 's', &ask.origin}, {"ready-event", 's', &ask.ready_event},
        {"join-event", 's', &ask.join_event}, {"join-args", 's', &ask.join_args},
        {"resume-event", 's', &ask.resume_event}, {"send-event", 's', &ask.send_event},
        {"send-args", 's', &ask.send_args}, {"target", 't', NULL}, {"cookies", 'c', NULL}, {"pids", 'p', NULL},
    };
    enum { COUNT = sizeof known / sizeof *known };
    struct option options[COUNT + 1] = {0};
    for (int i = 0; i < COUNT; i++) options[i] = (struct option){known[i].name, known[i].kind != 'b', NULL, i + 1};
    for (int found; (found = getopt_long(count, values, "", options, NULL)) != -1;) {
        if (found < 1 || found > COUNT) { fputs(usage, stderr); exit(2); }
        void *where = known[found - 1].where;
        switch (known[found - 1].kind) {
        case 'i': *(int *)where = atoi(optarg); break;
        case 'd': *(double *)where = atof(optarg); break;
        case 'b': *(bool *)where = true; break;
        case 's': *(const char **)where = optarg; break;
        case 't': read_targets(optarg); break;
        case 'c': read_cookies(optarg); break;
        case 'p':
            for (char *item = strtok(optarg, ","); item && pid_count < MOST_TARGETS; item = strtok(NULL, ","))
                pids[pid_count++] = atoi(item);
        }
    }
    if (!target_count || ask.connections < 1) { fputs(usage, stderr); exit(2); }
    if (ask.room_size < 1 || ask.room_size > ask.connections) ask.room_size = ask.connections;
    if (ask.text_bytes < MARK_BYTES) ask.text_bytes = MARK_BYTES;
    if (ask.text_bytes > LONGEST_TEXT) ask.text_bytes = LONGEST_TEXT;
    if (ask.raw) ask.acks = false;
}

static void take_places(void) {
    room_count = (ask.connections + ask.room_size - 1) / ask.room_size;
    all = zeroed(ask.connections, sizeof *all);
    received = zeroed(ask.connections, sizeof *received);
    sender_ids = zeroed(ask.senders, sizeof *sender_ids);
    senders_in = zeroed(room_count, sizeof *senders_in);
    readers_in = zeroed(room_count, sizeof *readers_in);
    for (int i = 0; i < ask.connections; i++) {
        all[i].room = i / ask.room_size;
        all[i].target = i % target_count;
        all[i].stalled = i >= ask.connections - ask.stalled;
        readers_in[all[i].room] += !all[i].stalled;
    }
    for (int place = 0; place < ask.room_size && sender_count < ask.senders; place++)
        for (int room = 0; room < room_count && sender_count < ask.senders; room++) {
            int i = room * ask.room_size + place;
            if (i >= ask.connections || all[i].stalled) continue;
            if (ask.sender_target >= 0 && all[i].target != ask.sender_target) continue;
            all[i].sender = true;
            all[i].slot = senders_in[room]++;
            all[i].sent_at = zeroed(TIMES, sizeof(uint64_t));
            sender_ids[sender_count++] = i;
        }
    for (int i = 0; i < ask.connections; i++) received[i] = zeroed(senders_in[all[i].room], sizeof **received);
}

static void allow_many_files(void) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < (rlim_t)ask.connections + 32)
        fprintf(stderr, "loadgen: %lu open files are allowed, too few for %d connections\n",
                (unsigned long)files.rlim_cur, ask.connections);
}

int main(int count, char **values) {
    read_options(count, values);
    allow_many_files();
    signal(SIGPIPE, SIG_IGN);
    run_id = hash(now() ^ (uint64_t)getpid() << 40);
    epoll = epoll_create1(0);
    take_places();

    long rss_before = rss_kb();
    double cpu_before = cpu_seconds(), connecting = connect_everyone(), connect_cpu = cpu_seconds() - cpu_before;
    int connected = ready_count;
    pass(ask.settle + ask.hold);
    long rss_connected = rss_peak = rss_kb();

    double storm_seconds = 0, storm_cpu = 0;
    int returned = 0;
    uint64_t began = now(), bytes = seen.bytes;
    double cpu = cpu_seconds(), own_cpu = own_cpu_seconds();
    if (ask.storm) {
        storm_seconds = storm(&storm_cpu);
        returned = (int)return_time.count;
    } else if (ask.duration > 0 && sender_count && (ask.rate > 0 || ask.window > 0)) {
        uint64_t end = began + (uint64_t)(ask.duration * 1e9);
        sending = true;
        if (ask.rate > 0) send_at_a_rate(began, end);
        else keep_windows_full(end);
        sending = false;
        wait_for_the_rest();
    }
    cpu = cpu_seconds() - cpu;
    own_cpu = own_cpu_seconds() - own_cpu;
    bytes = seen.bytes - bytes;
    pass(0.1); /* what must not come: duplicates */
    judge();

    double delivering = seen.last_delivery > began ? (seen.last_delivery - began) / 1e9 : 0;
    double answering = seen.last_answer > began ? (seen.last_answer - began) / 1e9 : 0;
    uint64_t deliveries = seen.deliveries;
    bool ok = connected == ask.connections && ready_count == ask.connections && !verdict.missing && !verdict.duplicated
              && !verdict.wrong && !verdict.unanswered && !seen.out_of_order && !seen.foreign && !seen.errors
              && !seen.refused && !seen.closed;

    say("ok", ok ? "true" : "false");
    say("finished", settled() ? "true" : "false"); /* false: the server was still behind when the waiting ended */
    say("connections", "%d", ask.connections);
    say("connected", "%d", connected);
    say("room_size", "%d", ask.room_size);
    say("senders", "%d", sender_count);
    say("connects_per_s", "%.1f", connecting > 0 ? connected / connecting : 0);
    say("cpu_us_per_connect", "%.1f", connected ? connect_cpu * 1e6 / connected : 0);
    say_times("connect_ms", &connect_time);
    say("rss_before_kb", "%ld", rss_before);
    say("rss_connected_kb", "%ld", rss_connected);
    say("rss_peak_kb", "%ld", rss_peak);
    say("posts", "%llu", (unsigned long long)seen.posts);
    say("deliveries", "%llu", (unsigned long long)deliveries);
    say("posts_per_s", "%.1f", delivering > 0 ? seen.posts / delivering : 0);
    say("deliveries_per_s", "%.1f", delivering > 0 ? deliveries / delivering : 0);
    say("bytes_per_delivery", "%.1f", deliveries ? (double)bytes / deliveries : 0);
    say("cpu_s", "%.3f", cpu);
    say("cpu_us_per_delivery", "%.3f", deliveries ? cpu * 1e6 / deliveries : 0);
    say("cpu_us_per_post", "%.2f", seen.posts ? cpu * 1e6 / seen.posts : 0);
    say("own_cpu_s", "%.3f", own_cpu); /* the load generator's */
    say_times("latency_ms", &latency);
    say_times("across_ms", &latency_across);
    say("acked", "%llu", (unsigned long long)seen.answers);
    say("acked_per_s", "%.1f", answering > 0 ? seen.answers / answering : 0);
    say_times("ack_ms", &answer_time);
    say("returned", "%d", returned);
    say("returns_per_s", "%.1f", storm_seconds > 0 ? returned / storm_seconds : 0);
    say("return_s", "%.3f", storm_seconds);
    say("cpu_us_per_return", "%.1f", returned ? storm_cpu * 1e6 / returned : 0);
    say_times("return_ms", &return_time);
    say("missing", "%llu", (unsigned long long)verdict.missing);
    say("duplicated", "%llu", (unsigned long long)verdict.duplicated);
    say("wrong", "%llu", (unsigned long long)verdict.wrong);
    say("unanswered", "%llu", (unsigned long long)verdict.unanswered);
    say("out_of_order", "%llu", (unsigned long long)seen.out_of_order);
    say("foreign", "%llu", (unsigned long long)seen.foreign);
    say("refused", "%llu", (unsigned long long)seen.refused);
    say("closed", "%llu", (unsigned long long)seen.closed);
    say("errors", "%llu", (unsigned long long)seen.errors);
    say_text("first_error", seen.first_error);
    say("pings", "%llu", (unsigned long long)seen.pings);
    say("stalled_alive", "%d", stalled_alive());
    puts("}");
    return 0;
}
