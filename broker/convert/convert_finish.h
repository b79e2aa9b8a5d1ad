/* convert_finish - once all lines of a mosquitto.conf are read: what they mean together. */
#ifndef FLOTILLA_BROKER_CONVERT_CONVERT_FINISH_H
#define FLOTILLA_BROKER_CONVERT_CONVERT_FINISH_H

struct conversion;

void convert_finish(struct conversion *c);

#endif
