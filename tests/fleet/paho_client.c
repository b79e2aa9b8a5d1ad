/*
 * Paho's C client for the scenarios of client_scenarios.py: one connection, told by lines of JSON on the standard input
 * what to do (client_program.py has the commands), which writes as lines of JSON what happened.
 *
 * The main thread obeys; Paho's thread reports messages and acknowledgements. A connection is cut by killing the process.
 */
#include <MQTTClient.h>

#include <assert.h>
#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 30000

struct client {
    MQTTClient handle;
    bool v5;
};

static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;

/* Writes one line; takes the object. */
static void say(cJSON *line)
{
    char *text = cJSON_PrintUnformatted(line);
    assert(text != NULL);
    pthread_mutex_lock(&output);
    puts(text);
    fflush(stdout);
    pthread_mutex_unlock(&output);
    free(text);
    cJSON_Delete(line);
}

static cJSON *event(const char *name)
{
    cJSON *line = cJSON_CreateObject();
    cJSON_AddStringToObject(line, "event", name);
    return line;
}

/* Says what failed with which of Paho's codes, and ends. */
static void must(bool done, const char *what, int code)
{
    if (done)
        return;
    cJSON *line = event("error");
    cJSON_AddStringToObject(line, "text", what);
    cJSON_AddNumberToObject(line, "code", code);
    say(line);
    exit(1);
}

/* ---- the values of a command ---- */

static char *text_of(const cJSON *from, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItem(from, name));
}

static int number_of(const cJSON *from, const char *name)
{
    const cJSON *item = cJSON_GetObjectItem(from, name);
    return cJSON_IsNumber(item) ? item->valueint : 0;
}

static bool flag_of(const cJSON *from, const char *name)
{
    return cJSON_IsTrue(cJSON_GetObjectItem(from, name));
}

/* ---- properties ---- */

static const struct {
    const char *name;
    enum MQTTPropertyCodes code;
} texts[] = {
    {"response_topic", MQTTPROPERTY_CODE_RESPONSE_TOPIC},
    {"correlation", MQTTPROPERTY_CODE_CORRELATION_DATA},
    {"content_type", MQTTPROPERTY_CODE_CONTENT_TYPE},
};

static MQTTLenString len_string(char *text)
{
    return (MQTTLenString){.len = (int)strlen(text), .data = text};
}

static void add_number(MQTTProperties *to, enum MQTTPropertyCodes code, int value)
{
    MQTTProperty property = {.identifier = code};
    property.value.integer4 = (unsigned)value;
    must(MQTTProperties_add(to, &property) == 0, "property", (int)code);
}

static void add_texts(MQTTProperties *to, const cJSON *from)
{
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char *value = text_of(from, texts[i].name);
        if (value == NULL)
            continue;
        MQTTProperty property = {.identifier = texts[i].code};
        property.value.data = len_string(value);
        must(MQTTProperties_add(to, &property) == 0, texts[i].name, 0);
    }
    const cJSON *pair;
    cJSON_ArrayForEach(pair, cJSON_GetObjectItem(from, "user"))
    {
        MQTTProperty property = {.identifier = MQTTPROPERTY_CODE_USER_PROPERTY};
        property.value.data = len_string(cJSON_GetArrayItem(pair, 0)->valuestring);
        property.value.value = len_string(cJSON_GetArrayItem(pair, 1)->valuestring);
        must(MQTTProperties_add(to, &property) == 0, "user", 0);
    }
}

static cJSON *json_of(const char *bytes, int len)
{
    char *text = strndup(bytes, (size_t)len);
    assert(text != NULL);
    cJSON *made = cJSON_CreateString(text);
    free(text);
    return made;
}

static cJSON *json_of_properties(MQTTProperties *from)
{
    cJSON *made = cJSON_CreateObject(), *user = cJSON_CreateArray();
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const MQTTProperty *found = MQTTProperties_getProperty(from, texts[i].code);
        if (found != NULL)
            cJSON_AddItemToObject(made, texts[i].name,
                                  json_of(found->value.data.data, found->value.data.len));
    }
    for (int i = 0; i < MQTTProperties_propertyCount(from, MQTTPROPERTY_CODE_USER_PROPERTY); i++) {
        const MQTTProperty *found =
            MQTTProperties_getPropertyAt(from, MQTTPROPERTY_CODE_USER_PROPERTY, i);
        cJSON *pair = cJSON_CreateArray();
        cJSON_AddItemToArray(pair, json_of(found->value.data.data, found->value.data.len));
        cJSON_AddItemToArray(pair, json_of(found->value.value.data, found->value.value.len));
        cJSON_AddItemToArray(user, pair);
    }
    if (cJSON_GetArraySize(user) > 0)
        cJSON_AddItemToObject(made, "user", user);
    else
        cJSON_Delete(user);
    return made;
}

/* ---- what Paho tells ---- */

static int on_message(void *context, char *topic, int topic_len, MQTTClient_message *message)
{
    (void)context;
    cJSON *line = event("message");
    if (topic_len > 0)
        cJSON_AddItemToObject(line, "topic", json_of(topic, topic_len));
    else
        cJSON_AddStringToObject(line, "topic", topic);
    cJSON_AddItemToObject(line, "payload", json_of(message->payload, message->payloadlen));
    cJSON_AddNumberToObject(line, "qos", message->qos);
    cJSON_AddBoolToObject(line, "retain", message->retained);
    cJSON_AddItemToObject(line, "properties", json_of_properties(&message->properties));
    say(line);
    MQTTClient_freeMessage(&message);
    MQTTClient_free(topic);
    return 1;
}

/* Of QoS 1 and 2: the broker has acknowledged it. */
static void on_delivered(void *context, MQTTClient_deliveryToken token)
{
    (void)context;
    (void)token;
    say(event("published"));
}

/* ---- what it is told to do ---- */

static void create(struct client *c, const cJSON *command)
{
    MQTTClient_createOptions options = MQTTClient_createOptions_initializer;
    options.MQTTVersion = number_of(command, "version");
    c->v5 = options.MQTTVersion == MQTTVERSION_5;
    int code =
        MQTTClient_createWithOptions(&c->handle, text_of(command, "url"), text_of(command, "id"),
                                     MQTTCLIENT_PERSISTENCE_NONE, NULL, &options);
    must(code == MQTTCLIENT_SUCCESS, "create", code);
    code = MQTTClient_setCallbacks(c->handle, NULL, NULL, on_message, on_delivered);
    must(code == MQTTCLIENT_SUCCESS, "setCallbacks", code);
}

static bool connect5(struct client *c, MQTTClient_connectOptions *options, const cJSON *command)
{
    MQTTProperties properties = MQTTProperties_initializer, of_will = MQTTProperties_initializer;
    options->cleanstart = flag_of(command, "clean");
    add_number(&properties, MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL,
               number_of(command, "expiry"));
    if (options->will != NULL)
        add_number(&of_will, MQTTPROPERTY_CODE_WILL_DELAY_INTERVAL,
                   number_of(cJSON_GetObjectItem(command, "will"), "delay"));
    MQTTResponse response = MQTTClient_connect5(c->handle, options, &properties,
                                                options->will == NULL ? NULL : &of_will);
    must(response.reasonCode == MQTTREASONCODE_SUCCESS, "connect5", (int)response.reasonCode);
    MQTTResponse_free(response);
    MQTTProperties_free(&properties);
    MQTTProperties_free(&of_will);
    return options->returned.sessionPresent;
}

static bool connect4(struct client *c, MQTTClient_connectOptions *options, const cJSON *command)
{
    options->cleansession = flag_of(command, "clean");
    int code = MQTTClient_connect(c->handle, options);
    must(code == MQTTCLIENT_SUCCESS, "connect", code);
    return options->returned.sessionPresent;
}

static void subscribe(struct client *c, char *filter, int qos)
{
    if (!c->v5) {
        int code = MQTTClient_subscribe(c->handle, filter, qos);
        must(code == MQTTCLIENT_SUCCESS, "subscribe", code);
        return;
    }
    MQTTResponse response = MQTTClient_subscribe5(c->handle, filter, qos, NULL, NULL);
    must((int)response.reasonCode == qos, "subscribe5", (int)response.reasonCode);
    MQTTResponse_free(response);
}

static void do_connect(struct client *c, const cJSON *command)
{
    create(c, command);
    MQTTClient_connectOptions options = MQTTClient_connectOptions_initializer;
    MQTTClient_connectOptions options5 = MQTTClient_connectOptions_initializer5;
    if (c->v5)
        options = options5;
    options.MQTTVersion = number_of(command, "version");
    options.reliable = 0; /* or each publication waits for the one before */

    MQTTClient_SSLOptions tls = MQTTClient_SSLOptions_initializer;
    tls.trustStore = text_of(command, "ca");
    tls.verify = 1;
    if (tls.trustStore != NULL)
        options.ssl = &tls;

    const cJSON *wanted = cJSON_GetObjectItem(command, "will");
    MQTTClient_willOptions will = MQTTClient_willOptions_initializer;
    will.topicName = text_of(wanted, "topic");
    will.message = text_of(wanted, "payload");
    will.qos = number_of(wanted, "qos");
    will.retained = flag_of(wanted, "retain");
    if (will.topicName != NULL)
        options.will = &will;

    bool present = c->v5 ? connect5(c, &options, command) : connect4(c, &options, command);
    const cJSON *pair;
    cJSON_ArrayForEach(pair, cJSON_GetObjectItem(command, "filters"))
    {
        subscribe(c, cJSON_GetArrayItem(pair, 0)->valuestring,
                  cJSON_GetArrayItem(pair, 1)->valueint);
    }
    cJSON *line = event("connected");
    if (!c->v5) /* Paho doesn't tell it in MQTT 5.0 */
        cJSON_AddBoolToObject(line, "present", present);
    say(line);
}

static void do_publish(struct client *c, const cJSON *command)
{
    MQTTClient_message message = MQTTClient_message_initializer;
    message.payload = text_of(command, "payload");
    message.payloadlen = (int)strlen(message.payload);
    message.qos = number_of(command, "qos");
    message.retained = flag_of(command, "retain");
    MQTTClient_deliveryToken token = 0;
    int code = MQTTCLIENT_SUCCESS;
    if (c->v5) {
        add_texts(&message.properties, cJSON_GetObjectItem(command, "properties"));
        MQTTResponse response =
            MQTTClient_publishMessage5(c->handle, text_of(command, "topic"), &message, &token);
        code = (int)response.reasonCode;
        MQTTResponse_free(response);
        MQTTProperties_free(&message.properties);
    } else {
        code = MQTTClient_publishMessage(c->handle, text_of(command, "topic"), &message, &token);
    }
    must(code == MQTTCLIENT_SUCCESS, "publish", code);
    if (message.qos == 0) /* which nobody acknowledges */
        say(event("published"));
}

static void do_disconnect(struct client *c)
{
    int code = c->v5 ? MQTTClient_disconnect5(c->handle, WAIT_MS, MQTTREASONCODE_SUCCESS, NULL)
                     : MQTTClient_disconnect(c->handle, WAIT_MS);
    must(code == MQTTCLIENT_SUCCESS, "disconnect", code);
    MQTTClient_destroy(&c->handle);
    say(event("closed"));
}

static void obey(struct client *c, const cJSON *command)
{
    const char *what = text_of(command, "do");
    must(what != NULL, "a line that isn't a command", 0);
    if (strcmp(what, "connect") == 0)
        do_connect(c, command);
    else if (strcmp(what, "publish") == 0)
        do_publish(c, command);
    else if (strcmp(what, "disconnect") == 0)
        do_disconnect(c);
    else
        must(false, what, 0);
}

int main(void)
{
    struct client client = {0};
    char *line = NULL;
    size_t size = 0;
    MQTTClient_init_options options = MQTTClient_init_options_initializer;
    options.do_openssl_init = 1;
    MQTTClient_global_init(&options);
    while (getline(&line, &size, stdin) > 0) {
        cJSON *command = cJSON_Parse(line);
        obey(&client, command);
        cJSON_Delete(command);
    }
    free(line);
    return 0;
}
