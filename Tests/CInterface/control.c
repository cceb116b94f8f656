/*
 * Ending calls early, progress, closing, and what a handle says of itself. Wherever a call is ended, nothing is written, and the
 * next one gives what it gives alone.
 */
#define _POSIX_C_SOURCE 200809L
#include "random.h"
#include "support.h"
#include <flashvid_host.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

enum { FRAMES = 8, TOKENS = 24, CHANNELS = 32, SOURCES = FRAMES * TOKENS, CLIPS = 5 };
enum { HEADS = 3, WIDTH = 8 };

/* ----------------------------------------------------------------------------------------------------- Clips, results */

static float features[CLIPS][SOURCES * CHANNELS];

/* Where results go, and what they were. */
typedef struct {
    float tokens[SOURCES * CHANNELS];
    int64_t indices[SOURCES], assignment[SOURCES], counts[SOURCES], parents[SOURCES], lengths[FRAMES];
    uint8_t kinds[SOURCES];
    flashvid_output output;
} result;

static result results[CLIPS], before[CLIPS], expected[CLIPS];

static flashvid_clip lend(int number) {
    flashvid_clip clip;
    memset(&clip, 0, sizeof clip);
    clip.struct_size = sizeof clip;
    clip.features = features[number];
    clip.frames = FRAMES;
    clip.tokens_per_frame = TOKENS;
    clip.channels = CHANNELS;
    return clip;
}

static void prepare(int number, flashvid_scalar type) {
    result *const own = results + number;
    memset(own, 0xA5, sizeof *own);
    memset(&own->output, 0, sizeof own->output);
    own->output.struct_size = sizeof own->output;
    own->output.token_type = type;
    own->output.tokens = own->tokens;
    own->output.indices = own->indices;
    own->output.assignment = own->assignment;
    own->output.counts = own->counts;
    own->output.parents = own->parents;
    own->output.segment_lengths = own->lengths;
    own->output.kinds = own->kinds;
    own->output.row_capacity = SOURCES;
    own->output.row_count = -7;
    before[number] = *own;
}

static void prepare_all(flashvid_scalar type) {
    int number;
    for (number = 0; number < CLIPS; number += 1) prepare(number, type);
}

/* Nothing was written, or everything. */
static void judge(int number, flashvid_status status, const char *what) {
    if (status == FLASHVID_OK) {
        EXPECT(memcmp(results + number, expected + number, sizeof *expected) == 0, "%s: clip %d differs", what, number);
    } else {
        EXPECT(memcmp(results + number, before + number, sizeof *before) == 0, "%s: clip %d: %s, and something was written", what,
               number, flashvid_status_name(status));
    }
}

static flashvid_compressor *create(const flashvid_configuration *configuration, int32_t threads) {
    flashvid_compressor *made = NULL;
    char message[200] = "";
    EXPECT(flashvid_compressor_create(configuration, threads, &made, message, sizeof message) == FLASHVID_OK, "%s", message);
    return made;
}

static flashvid_configuration configure(int64_t rounds) {
    flashvid_configuration configuration;
    flashvid_configuration_preset(&configuration, sizeof configuration, FLASHVID_LLAVA_ONEVISION, 0.2);
    if (rounds > 0) {
        flashvid_configuration_refine(&configuration);
        configuration.refinement_rounds = rounds;
    }
    configuration.maximum_segment_frames = 3;
    return configuration;
}

static void expect_results(flashvid_compressor *compressor, flashvid_scalar type) {
    int number;
    for (number = 0; number < CLIPS; number += 1) {
        const flashvid_clip clip = lend(number);
        prepare(number, type);
        EXPECT(flashvid_compressor_compress(compressor, &clip, &results[number].output) == FLASHVID_OK, "compress");
        expected[number] = results[number];
    }
}

/* ---------------------------------------------------------------------------------------------------------- Progress */

/* Ends a call in a report of progress, by its answer or by a cancel. */
typedef struct {
    long reports, last;
    double share;
    pthread_t thread;
    int by_cancel;
    flashvid_compressor *compressor;
    flashvid_stream *stream;
    flashvid_scorer *scorer;
} reporter;

static int32_t report(double share, void *context) {
    reporter *const own = (reporter *)context;
    int32_t answer = 0;
    EXPECT(pthread_equal(pthread_self(), own->thread), "another thread");
    EXPECT(own->reports == 0 ? share == 0 : share > own->share && share <= 1, "%g after %g", share, own->share);
    own->share = share;
    if (own->reports == own->last && share < 1) {
        if (!own->by_cancel)
            answer = -1;
        else if (own->compressor != NULL)
            EXPECT(flashvid_compressor_cancel(own->compressor) == FLASHVID_OK, "cancel");
        else if (own->stream != NULL)
            EXPECT(flashvid_stream_cancel(own->stream) == FLASHVID_OK, "cancel");
        else
            EXPECT(flashvid_scorer_cancel(own->scorer) == FLASHVID_OK, "cancel");
    }
    own->reports += 1;
    return answer;
}

static reporter reporting(long last) {
    reporter own;
    memset(&own, 0, sizeof own);
    own.last = last;
    own.thread = pthread_self();
    own.by_cancel = (int)(last & 1);
    return own;
}

/* Every clip and every batch, ended in its first report, its second, ... until it comes to its end. */
static void everywhere(int64_t rounds, int32_t threads, flashvid_scalar type) {
    const flashvid_configuration configuration = configure(rounds);
    flashvid_compressor *const compressor = create(&configuration, threads);
    const flashvid_clip first = lend(0), second = lend(1);
    const flashvid_clip *clips[CLIPS];
    flashvid_clip lent[CLIPS];
    flashvid_output *outputs[CLIPS];
    flashvid_status status = FLASHVID_CANCELLED, statuses[CLIPS];
    char message[200];
    long last;
    int number, done;
    expect_results(compressor, type);
    for (last = 0; status != FLASHVID_OK; last += 1) {
        reporter own = reporting(last);
        own.compressor = compressor;
        EXPECT(flashvid_compressor_set_progress(compressor, report, &own) == FLASHVID_OK, "set");
        prepare(0, type);
        status = flashvid_compressor_compress(compressor, &first, &results[0].output);
        EXPECT(status == (own.reports > last && own.share < 1 ? FLASHVID_CANCELLED : FLASHVID_OK), "%s", flashvid_status_name(status));
        judge(0, status, "a clip that was ended");
        if (status != FLASHVID_OK) {
            EXPECT(flashvid_compressor_error(compressor, message, sizeof message) > 0, "no text");
            EXPECT(strstr(message, own.by_cancel ? "cancelled" : "progress") != NULL, "%s", message);
        }
        EXPECT(flashvid_compressor_set_progress(compressor, NULL, NULL) == FLASHVID_OK, "set");
        prepare(1, type);
        judge(1, flashvid_compressor_compress(compressor, &second, &results[1].output), "the next clip");
    }
    EXPECT(last > (threads == 1 ? 10 : 1), "ended %ld times only", last);

    for (number = 0; number < CLIPS; number += 1) {
        lent[number] = lend(number);
        clips[number] = lent + number;
        outputs[number] = &results[number].output;
    }
    status = FLASHVID_CANCELLED;
    for (last = 0; status != FLASHVID_OK; last += 7) {
        reporter own = reporting(last);
        own.compressor = compressor;
        EXPECT(flashvid_compressor_set_progress(compressor, report, &own) == FLASHVID_OK, "set");
        prepare_all(type);
        status = flashvid_compressor_compress_batch(compressor, clips, outputs, CLIPS, statuses);
        done = 0;
        for (number = 0; number < CLIPS; number += 1) {
            EXPECT(statuses[number] == FLASHVID_OK || statuses[number] == FLASHVID_CANCELLED, "%s", flashvid_status_name(statuses[number]));
            judge(number, statuses[number], "a batch that was ended");
            done += statuses[number] == FLASHVID_OK;
        }
        EXPECT(status == (done == CLIPS ? FLASHVID_OK : FLASHVID_CANCELLED), "%s of %d", flashvid_status_name(status), done);
    }
    EXPECT(flashvid_compressor_close(compressor) == FLASHVID_OK, "close");
}

/* ------------------------------------------------------------------------------------------------------------ Streams */

/* A stream whose every call is ended some times before it succeeds gives what one does whose calls are not. */
static void streams(int64_t rounds) {
    const flashvid_configuration configuration = configure(rounds);
    flashvid_stream *plain = NULL, *broken = NULL;
    flashvid_clip clip = lend(2);
    int64_t first = 0, taken = 0, rows = 0;
    EXPECT(flashvid_stream_create(&configuration, TOKENS, CHANNELS, FLASHVID_FLOAT32, 2, &plain, NULL, 0) == FLASHVID_OK, "create");
    EXPECT(flashvid_stream_create(&configuration, TOKENS, CHANNELS, FLASHVID_FLOAT32, 2, &broken, NULL, 0) == FLASHVID_OK, "create");
    while (first < FRAMES) {
        int64_t other = -7, closed = -7;
        EXPECT(flashvid_stream_set_time_limit(broken, 1e-9) == FLASHVID_OK, "set");
        EXPECT(flashvid_stream_push(broken, &clip, first, &other) == FLASHVID_CANCELLED && other == 0, "taken %d", (int)other);
        EXPECT(flashvid_stream_set_time_limit(broken, 0) == FLASHVID_OK, "set");
        EXPECT(flashvid_stream_push(plain, &clip, first, &taken) == FLASHVID_OK, "push");
        EXPECT(flashvid_stream_push(broken, &clip, first, &other) == FLASHVID_OK && other == taken, "taken %d", (int)other);
        first += taken;
        if (first == FRAMES) {
            EXPECT(flashvid_stream_finish(plain) == FLASHVID_OK && flashvid_stream_finish(broken) == FLASHVID_OK, "finish");
        }
        while (flashvid_stream_segment_frames(plain, &closed) == FLASHVID_OK && closed > 0) {
            flashvid_status status = FLASHVID_CANCELLED;
            int64_t due = -7;
            long last;
            prepare(0, FLASHVID_FLOAT32);
            EXPECT(flashvid_stream_next(plain, &results[0].output) == FLASHVID_OK, "next");
            EXPECT(results[0].output.first_row == rows, "row %d", (int)results[0].output.first_row);
            rows += results[0].output.row_count;
            EXPECT(flashvid_stream_output_token_count(plain, closed, &due, NULL, 0) == FLASHVID_OK && due == results[0].output.row_count,
                   "%d rows", (int)due);
            expected[0] = results[0];
            for (last = 0; status != FLASHVID_OK; last += 1) {
                reporter own = reporting(last);
                own.stream = broken;
                EXPECT(flashvid_stream_set_progress(broken, report, &own) == FLASHVID_OK, "set");
                prepare(0, FLASHVID_FLOAT32);
                status = flashvid_stream_next(broken, &results[0].output);
                EXPECT(status == FLASHVID_OK || status == FLASHVID_CANCELLED, "%s", flashvid_status_name(status));
                judge(0, status, "a segment that was ended");
                EXPECT(flashvid_stream_set_progress(broken, NULL, NULL) == FLASHVID_OK, "set");
            }
        }
    }
    prepare(0, FLASHVID_FLOAT32);
    EXPECT(flashvid_stream_next(broken, &results[0].output) == FLASHVID_NO_SEGMENT, "the end");
    EXPECT(flashvid_stream_close(plain) == FLASHVID_OK && flashvid_stream_close(broken) == FLASHVID_OK, "close");
}

/* ------------------------------------------------------------------------------------------------------------ Scores */

static void scores(int32_t threads) {
    flashvid_encoder_attention encoder;
    flashvid_decoder_attention decoder;
    float wanted[SOURCES], wanted_last[TOKENS], found[SOURCES];
    flashvid_scorer *scorer = NULL;
    int which;
    EXPECT(flashvid_scorer_create(threads, &scorer, NULL, 0) == FLASHVID_OK, "create");
    memset(&encoder, 0, sizeof encoder);
    encoder.struct_size = sizeof encoder;
    encoder.queries = features[0];
    encoder.keys = features[1];
    encoder.frames = FRAMES;
    encoder.heads = HEADS;
    encoder.tokens = TOKENS;
    encoder.width = WIDTH;
    memset(&decoder, 0, sizeof decoder);
    decoder.struct_size = sizeof decoder;
    decoder.query = features[0];
    decoder.keys = features[1];
    decoder.heads = decoder.key_heads = HEADS;
    decoder.key_count = TOKENS;
    decoder.width = WIDTH;
    EXPECT(flashvid_scorer_scores(scorer, &encoder, wanted, SOURCES) == FLASHVID_OK, "scores");
    EXPECT(flashvid_scorer_last_query(scorer, &decoder, wanted_last, TOKENS) == FLASHVID_OK, "last query");
    for (which = 0; which < 2; which += 1) {
        const size_t bytes = which ? sizeof wanted_last : sizeof wanted;
        flashvid_status status = FLASHVID_CANCELLED;
        long last;
        for (last = 0; status != FLASHVID_OK; last += 1) {
            reporter own = reporting(last);
            float untouched[SOURCES];
            own.scorer = scorer;
            EXPECT(flashvid_scorer_set_progress(scorer, report, &own) == FLASHVID_OK, "set");
            memset(found, 0xA5, sizeof found);
            memset(untouched, 0xA5, sizeof untouched);
            status = which ? flashvid_scorer_last_query(scorer, &decoder, found, TOKENS)
                           : flashvid_scorer_scores(scorer, &encoder, found, SOURCES);
            EXPECT(status == FLASHVID_OK || status == FLASHVID_CANCELLED, "%s", flashvid_status_name(status));
            EXPECT(memcmp(found, status == FLASHVID_CANCELLED ? untouched : which ? wanted_last : wanted, bytes) == 0, "scores");
        }
        EXPECT(flashvid_scorer_set_progress(scorer, NULL, NULL) == FLASHVID_OK, "set");
        EXPECT(flashvid_scorer_set_time_limit(scorer, 1e-9) == FLASHVID_OK, "set");
        status = which ? flashvid_scorer_last_query(scorer, &decoder, found, TOKENS)
                       : flashvid_scorer_scores(scorer, &encoder, found, SOURCES);
        EXPECT(status == FLASHVID_CANCELLED, "%s", flashvid_status_name(status));
        EXPECT(flashvid_scorer_set_time_limit(scorer, INFINITY) == FLASHVID_OK, "set");
    }
    EXPECT(flashvid_scorer_close(scorer) == FLASHVID_OK, "close");
}

/* --------------------------------------------------------------------------------------------------- From other threads */

static flashvid_compressor *shared;
static volatile sig_atomic_t is_done;

static void *canceller(void *context) {
    const struct timespec moment = {0, 300000};
    (void)context;
    while (!__atomic_load_n(&is_done, __ATOMIC_RELAXED)) {
        if (flashvid_compressor_cancel(shared) != FLASHVID_OK) abort();
        nanosleep(&moment, NULL);
    }
    return NULL;
}

static void on_alarm(int number) {
    (void)number;
    flashvid_compressor_cancel(shared);
}

/* Cancels of two threads, and of a signal handler, beside calls without end: each ends, or is whole. */
static void cancels(void) {
    const flashvid_configuration configuration = configure(3);
    const struct itimerval often = {{0, 700}, {0, 700}}, never = {{0, 0}, {0, 0}};
    struct sigaction action;
    pthread_t threads[2];
    long ended = 0, whole = 0;
    int index;
    shared = create(&configuration, 2);
    expect_results(shared, FLASHVID_FLOAT32);
    for (index = 0; index < 2; index += 1)
        if (pthread_create(threads + index, NULL, canceller, NULL) != 0) abort();
    memset(&action, 0, sizeof action);
    action.sa_handler = on_alarm;
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    while ((ended < 50 || whole < 50) && ended + whole < 20000) {
        const int number = (int)((ended + whole) % CLIPS);
        const flashvid_clip clip = lend(number);
        flashvid_status status;
        if (ended + whole == 2000) { /* A slow machine, where no call is whole. */
            setitimer(ITIMER_REAL, &never, NULL);
            __atomic_store_n(&is_done, 1, __ATOMIC_RELAXED);
        }
        prepare(number, FLASHVID_FLOAT32);
        status = flashvid_compressor_compress(shared, &clip, &results[number].output);
        EXPECT(status == FLASHVID_OK || status == FLASHVID_CANCELLED, "%s", flashvid_status_name(status));
        judge(number, status, "cancelled from elsewhere");
        if (status == FLASHVID_OK) whole += 1;
        else ended += 1;
    }
    setitimer(ITIMER_REAL, &never, NULL);
    __atomic_store_n(&is_done, 1, __ATOMIC_RELAXED);
    for (index = 0; index < 2; index += 1) pthread_join(threads[index], NULL);
    EXPECT(ended > 0 && whole > 0, "%ld ended, %ld whole", ended, whole);
    /* None of these cancels is for a later call. */
    for (index = 0; index < 100; index += 1) {
        const flashvid_clip clip = lend(index % CLIPS);
        EXPECT(flashvid_compressor_cancel(shared) == FLASHVID_OK, "cancel");
        prepare(index % CLIPS, FLASHVID_FLOAT32);
        judge(index % CLIPS, flashvid_compressor_compress(shared, &clip, &results[index % CLIPS].output), "after a cancel");
        EXPECT(results[index % CLIPS].output.row_count != -7, "a cancel ended a later call");
    }
    EXPECT(flashvid_compressor_destroy(shared) == FLASHVID_OK, "destroy");
}

/* A handle that is closed while it works. */
typedef struct {
    flashvid_compressor *compressor;
    flashvid_status status;
    long reports;
} worker;

static int32_t count_reports(double share, void *context) {
    (void)share;
    __atomic_add_fetch(&((worker *)context)->reports, 1, __ATOMIC_RELAXED);
    return 0;
}

static void *work(void *context) {
    worker *const own = (worker *)context;
    const flashvid_clip clip = lend(0);
    own->status = flashvid_compressor_compress(own->compressor, &clip, &results[0].output);
    __atomic_add_fetch(&own->reports, 1000, __ATOMIC_RELAXED);
    return NULL;
}

static void closing(void) {
    const flashvid_configuration configuration = configure(1000);
    long ended = 0;
    int attempt;
    flashvid_compressor *const alone = create(&configuration, 1);
    expect_results(alone, FLASHVID_FLOAT32);
    EXPECT(flashvid_compressor_close(alone) == FLASHVID_OK, "close");
    EXPECT(flashvid_compressor_close(NULL) == FLASHVID_OK && flashvid_stream_close(NULL) == FLASHVID_OK &&
               flashvid_scorer_close(NULL) == FLASHVID_OK,
           "close NULL");
    for (attempt = 0; attempt < 200; attempt += 1) {
        worker own;
        pthread_t thread;
        memset(&own, 0, sizeof own);
        own.compressor = create(&configuration, 1 + attempt % 3);
        EXPECT(flashvid_compressor_set_progress(own.compressor, count_reports, &own) == FLASHVID_OK, "set");
        prepare(0, FLASHVID_FLOAT32);
        if (pthread_create(&thread, NULL, work, &own) != 0) abort();
        /* Once it has begun; a call that would begin after the end is the caller's mistake. */
        while (__atomic_load_n(&own.reports, __ATOMIC_RELAXED) <= attempt % 7) {
            const struct timespec moment = {0, 10000};
            nanosleep(&moment, NULL);
        }
        EXPECT(flashvid_compressor_close(own.compressor) == FLASHVID_OK, "close");
        pthread_join(thread, NULL);
        EXPECT(own.status == FLASHVID_OK || own.status == FLASHVID_CANCELLED, "%s", flashvid_status_name(own.status));
        judge(0, own.status, "closed");
        ended += own.status == FLASHVID_CANCELLED;
    }
    EXPECT(ended > 0, "no call was ended");
}

/* What a progress callback may do. */
static int32_t meddle(double share, void *context) {
    reporter *const own = (reporter *)context;
    const flashvid_clip clip = lend(1);
    flashvid_statistics statistics;
    char message[80];
    int64_t number = 0;
    own->reports += 1;
    if (own->reports != 3) return 0;
    (void)share;
    statistics.struct_size = sizeof statistics;
    EXPECT(flashvid_compressor_statistics(own->compressor, &statistics) == FLASHVID_OK, "statistics");
    flashvid_compressor_error(own->compressor, message, sizeof message);
    EXPECT(flashvid_compressor_threads(own->compressor) == 1, "threads");
    EXPECT(flashvid_compressor_output_token_count(own->compressor, 4, 5, &number, NULL, 0) == FLASHVID_OK, "count");
    EXPECT(flashvid_compressor_workspace_bytes(own->compressor, 4, 5, 6, 0, &number, NULL, 0) == FLASHVID_OK, "bytes");
    EXPECT(flashvid_compressor_compress(own->compressor, &clip, &results[1].output) == FLASHVID_BUSY, "its own handle");
    EXPECT(flashvid_compressor_set_progress(own->compressor, NULL, NULL) == FLASHVID_BUSY, "its own handle");
    EXPECT(flashvid_compressor_set_time_limit(own->compressor, 1) == FLASHVID_BUSY, "its own handle");
    EXPECT(flashvid_compressor_destroy(own->compressor) == FLASHVID_BUSY, "its own handle");
    EXPECT(flashvid_compressor_close(own->compressor) == FLASHVID_BUSY, "its own handle");
    prepare(1, FLASHVID_FLOAT32);
    judge(1, flashvid_compressor_compress(shared, &clip, &results[1].output), "another handle, in a callback");
    EXPECT(results[1].output.row_count != -7, "another handle");
    return 0;
}

static void callbacks(void) {
    const flashvid_configuration configuration = configure(0);
    const flashvid_clip clip = lend(0);
    reporter own = reporting(-1);
    own.compressor = create(&configuration, 1);
    shared = create(&configuration, 2);
    expect_results(shared, FLASHVID_FLOAT32);
    EXPECT(flashvid_compressor_set_progress(own.compressor, meddle, &own) == FLASHVID_OK, "set");
    prepare(0, FLASHVID_FLOAT32);
    judge(0, flashvid_compressor_compress(own.compressor, &clip, &results[0].output), "meddled with");
    EXPECT(own.reports > 10 && results[0].output.row_count != -7, "%ld reports", own.reports);
    EXPECT(flashvid_compressor_destroy(own.compressor) == FLASHVID_OK && flashvid_compressor_destroy(shared) == FLASHVID_OK, "destroy");
}

/* ---------------------------------------------------------------------------------------------- Limits, and what it is */

static void limits(void) {
    static const double bad[] = {-1, -1e-300, -INFINITY, NAN};
    const flashvid_configuration configuration = configure(0);
    flashvid_compressor *const compressor = create(&configuration, 2);
    const flashvid_clip clip = lend(0);
    flashvid_configuration copy;
    char message[200];
    int64_t rows = 0, count = 0, bytes = 0, more = 0;
    size_t index;
    expect_results(compressor, FLASHVID_FLOAT32);
    for (index = 0; index < sizeof bad / sizeof *bad; index += 1) {
        EXPECT(flashvid_compressor_set_time_limit(compressor, bad[index]) == FLASHVID_INVALID_ARGUMENT, "%g s", bad[index]);
        EXPECT(flashvid_compressor_error(compressor, message, sizeof message) > 0, "no text");
        prepare(0, FLASHVID_FLOAT32);
        judge(0, flashvid_compressor_compress(compressor, &clip, &results[0].output), "a limit that was refused");
    }
    EXPECT(flashvid_compressor_set_time_limit(compressor, 5e-324) == FLASHVID_OK, "set");
    prepare(0, FLASHVID_FLOAT32);
    EXPECT(flashvid_compressor_compress(compressor, &clip, &results[0].output) == FLASHVID_CANCELLED, "no time at all");
    judge(0, FLASHVID_CANCELLED, "no time at all");
    EXPECT(flashvid_compressor_error(compressor, message, sizeof message) > 0 && strstr(message, "time limit") != NULL, "%s", message);
    EXPECT(flashvid_compressor_set_time_limit(compressor, 1e300) == FLASHVID_OK, "set");
    prepare(0, FLASHVID_FLOAT32);
    EXPECT(flashvid_compressor_compress(compressor, &clip, &results[0].output) == FLASHVID_OK, "all the time");

    memset(&copy, 0xA5, sizeof copy);
    EXPECT(flashvid_compressor_configuration(compressor, &copy, sizeof copy) == FLASHVID_OK, "configuration");
    EXPECT(memcmp(&copy, &configuration, sizeof copy) == 0, "another configuration");
    EXPECT(flashvid_output_token_count(&configuration, FRAMES, TOKENS, &rows, NULL, 0) == FLASHVID_OK, "count");
    EXPECT(flashvid_compressor_output_token_count(compressor, FRAMES, TOKENS, &count, NULL, 0) == FLASHVID_OK && count == rows, "count");
    EXPECT(flashvid_compressor_workspace_bytes(compressor, FRAMES, TOKENS, CHANNELS, FLASHVID_FLOAT32, &bytes, NULL, 0) ==
                   FLASHVID_OK &&
               bytes > rows * CHANNELS * 4,
           "%lld bytes", (long long)bytes);
    EXPECT(flashvid_compressor_workspace_bytes(compressor, FRAMES, TOKENS, CHANNELS, FLASHVID_FLOAT16, &more, NULL, 0) ==
                   FLASHVID_OK &&
               more > bytes,
           "%lld bytes", (long long)more);
    EXPECT(flashvid_compressor_destroy(compressor) == FLASHVID_OK, "destroy");
    {
        flashvid_stream *stream = NULL;
        EXPECT(flashvid_stream_create(&configuration, TOKENS, CHANNELS, FLASHVID_FLOAT16, 1, &stream, NULL, 0) == FLASHVID_OK, "create");
        memset(&copy, 0xA5, sizeof copy);
        EXPECT(flashvid_stream_configuration(stream, &copy, sizeof copy) == FLASHVID_OK, "configuration");
        EXPECT(memcmp(&copy, &configuration, sizeof copy) == 0, "another configuration");
        EXPECT(flashvid_stream_workspace_bytes(stream, &more, NULL, 0) == FLASHVID_OK && more > 4 * TOKENS * CHANNELS * 2, "bytes");
        EXPECT(flashvid_stream_close(stream) == FLASHVID_OK, "close");
    }
}

int main(void) {
    int number;
    for (number = 0; number < CLIPS; number += 1) random_frames(features[number], FRAMES, TOKENS * CHANNELS);
    everywhere(0, 1, FLASHVID_FLOAT32);
    everywhere(0, 2, FLASHVID_FLOAT32);
    everywhere(4, 1, FLASHVID_FLOAT32);
    everywhere(4, 3, FLASHVID_FLOAT16);
    everywhere(0, 2, FLASHVID_BFLOAT16);
    streams(0);
    streams(3);
    scores(1);
    scores(2);
    cancels();
    closing();
    callbacks();
    limits();
    printf("control: %d failures\n", failures);
    return failures != 0;
}
