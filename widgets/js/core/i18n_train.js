export const TRAIN = { en: { title: {} }, ja: { title: {} } };
